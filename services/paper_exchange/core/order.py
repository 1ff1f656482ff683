"""Orders and trades of the exchange: mutable records, one per accepted order, never deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.paper_exchange.core.instrument import ZERO, Instrument, Side

if TYPE_CHECKING:
    from services.paper_exchange.core.account import Account


class OrderType(StrEnum):
    """The type of an order."""

    MARKET = "market"
    LIMIT = "limit"
    ICEBERG = "iceberg"
    STOP_LOSS = "stop-loss"
    TAKE_PROFIT = "take-profit"
    STOP_LOSS_LIMIT = "stop-loss-limit"
    TAKE_PROFIT_LIMIT = "take-profit-limit"
    TRAILING_STOP = "trailing-stop"
    TRAILING_STOP_LIMIT = "trailing-stop-limit"
    SETTLE_POSITION = "settle-position"


LIMIT_PRICED: Final = frozenset(
    {
        OrderType.LIMIT,
        OrderType.ICEBERG,
        OrderType.STOP_LOSS_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.TRAILING_STOP_LIMIT,
    }
)
STOPS: Final = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
TAKES: Final = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
TRAILING: Final = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
TRIGGERED: Final = STOPS | TAKES | TRAILING


class Status(StrEnum):
    """The state of an order; the last three are final."""

    PENDING = "pending"
    OPEN = "open"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class TimeInForce(StrEnum):
    """How long an order stays in force."""

    GTC = "GTC"
    IOC = "IOC"
    GTD = "GTD"
    FOK = "FOK"


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance from a price that moves: an amount in quote, or per cent of that price. Below 0 it is downwards."""

    amount: Decimal
    percent: bool = False

    def at(self, price: Decimal) -> Decimal:
        """Return the distance in quote from a price."""
        return price * self.amount / 100 if self.percent else self.amount


@dataclass(slots=True)
class ConditionalClose:
    """The conditional close: an order that is placed for what this one fills. A trailing one has distances, not prices."""

    kind: OrderType
    price: Decimal | None = None
    price2: Decimal | None = None
    trail: Distance | None = None
    limit_offset: Distance | None = None


@dataclass(slots=True)
class Ticket:
    """A requested order, checked for form but not for funds. Prices are absolute, sizes in base unless `size_in_quote`."""

    instrument: Instrument
    side: Side
    kind: OrderType
    size: Decimal
    limit: Decimal | None = None
    trigger: Decimal | None = None
    trail: Distance | None = None  # from the best price seen
    limit_offset: Distance | None = None  # trailing-stop-limit: the limit's distance from the trigger
    size_in_quote: bool = False
    post_only: bool = False
    fee_in_base: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC
    starts_at: float = 0.0
    expires_at: float = 0.0
    client_id: str = ""
    userref: int | None = None
    flags: str = ""  # as the venue echoes them
    display: Decimal | None = None
    self_trade: str = "cancel-newest"
    trigger_on: str = ""  # the signal that triggers it, if the request named one: "last" or "index"
    conditional_close: ConditionalClose | None = None
    bracket_limit: Decimal | None = None
    """A bracket: a limit order whose limit moves here as soon as the price has reached `trigger`."""
    leverage: int = 0
    """Above 0 it trades on margin: a position opens or closes, and the coin's balance does not change."""

    def trailing_stop(self, best: Decimal) -> Decimal:
        """Return where a trailing order is triggered, to the tick, when `best` is the best price it has seen."""
        assert self.trail is not None  # noqa: S101  # a trailing order has its distance
        distance = self.trail.at(best)
        return self.instrument.round_price(best - distance if self.side is Side.SELL else best + distance, self.side)

    def trailing_limit(self, trigger: Decimal) -> Decimal | None:
        """Return the limit of a trailing order that is triggered there; None if it has none."""
        if self.limit_offset is None:
            return None
        return self.instrument.round_price(trigger + self.limit_offset.at(trigger), self.side)

    @property
    def hold_price(self) -> Decimal | None:
        """Return the price that its hold is computed with; None if it trades at market."""
        if self.bracket_limit is not None and self.limit is not None:
            return max(self.limit, self.bracket_limit)
        return self.limit or self.trigger


@dataclass(slots=True, eq=False)
class Trade:
    """One fill. `fee` is in `fee_asset`; the two balances are those right after it."""

    id: str
    number: int
    order: Order
    at: float
    price: Decimal
    size: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    base_after: Decimal
    quote_after: Decimal


@dataclass(slots=True, eq=False)
class Order:
    """An accepted order and its state."""

    id: str
    account: Account
    ticket: Ticket
    size: Decimal
    limit: Decimal | None
    trigger: Decimal | None
    accepted_at: float
    status: Status = Status.OPEN
    triggered: bool = False
    best_seen: Decimal | None = None  # trailing: the best price since acceptance
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    held: Decimal = ZERO
    held_asset: str = ""
    amended_at: float = 0.0
    closed_at: float = 0.0
    reason: str = ""
    parent: str = ""
    visible_from: float = 0.0
    place: int = 0  # which entry of the resting book is current
    trades: list[Trade] = field(default_factory=list)
    amends: list[tuple[str, float, Decimal, Decimal | None, Decimal | None]] = field(default_factory=list)

    @property
    def instrument(self) -> Instrument:
        """Return the instrument."""
        return self.ticket.instrument

    @property
    def side(self) -> Side:
        """Return the side."""
        return self.ticket.side

    @property
    def is_open(self) -> bool:
        """Return whether it can still trade."""
        return self.status is Status.OPEN or self.status is Status.PENDING

    @property
    def remaining(self) -> Decimal:
        """Return the unfilled size, in base."""
        return self.size - self.filled

    @property
    def hold_price(self) -> Decimal | None:
        """Return the price that its hold is computed with; None if it trades at market."""
        if self.ticket.bracket_limit is not None and not self.triggered:
            return self.ticket.hold_price
        return self.limit or self.trigger

    @property
    def average_price(self) -> Decimal:
        """Return the average price of its fills, 0 without fills."""
        return self.cost / self.filled if self.filled else ZERO
