"""The rows of a venue's answers, and which of them could not be read.

One row that cannot be read must not hide the others, and must never be mistaken for a missing row: "no such order" and "no
balance" are conclusions that move money. So a list of orders carries the rows that were left out of it, and accessing a balance
that could not be read raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.domain.order import Side
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Refusal, Unavailable


class VenueOrderStatus(StrEnum):
    """The state of an order at the venue. Only `filled` counts as traded, whatever the status is."""

    OPEN = "open"
    DONE = "done"  # nothing more will fill: filled, cancelled or expired


class TradeKind(StrEnum):
    """The kind of trade of an order. Stable words: they are logged and shown as the reason why an order was not copied."""

    SPOT = "spot"
    MARGIN = "margin"  # with borrowed funds: it opens or closes a position, and no balance of the coin moves
    SETTLEMENT = "settlement"  # a margin position that was settled with what the account holds
    SIZED_IN_QUOTE = (
        "sized_in_quote"  # spot, but the size was asked for in quote: which unit `filled` has is not documented
    )


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """The venue's own record of an order: the only proof of a fill."""

    venue_order_id: str
    client_order_id: str
    symbol: Symbol
    side: Side
    status: VenueOrderStatus
    filled: Quantity
    """Base amount executed, before a fee that is taken in base."""
    cost: Money
    fee: Decimal
    fee_asset: str
    opened_at: int
    closed_at: int | None
    """When it ended, epoch ms; None before that. Of one that is OPEN: the venue calls it ended, and its sums may still rise."""
    reason: str = ""
    trade: TradeKind = TradeKind.SPOT
    refusal: Refusal | None = None
    """The family of the venue's reason, if it took the order and refused it afterwards; `reason` has its words."""
    size: Quantity | None = None
    """Base amount that is asked for, with what has filled; None where the venue does not say it in base."""
    limit_price: Price | None = None
    """The limit of a limit order; None for every other kind."""
    rests: bool = False
    """A plain limit order that stays open until it is filled or cancelled: no trigger, no end by itself, nothing hidden."""
    post_only: bool = False

    @property
    def average_price(self) -> Price | None:
        """Return the average fill price; None when nothing filled."""
        if self.filled.amount == 0:
            return None
        return Price(self.cost.amount / self.filled.amount, self.symbol)


class RowReason(StrEnum):
    """Why a row was left out. Stable words, for logs and reports."""

    UNREADABLE = "unreadable"
    UNKNOWN_PAIR = "unknown_pair"  # the venue does not list the pair: it is new, or delisted
    NOT_A_CURRENCY = "not_a_currency"  # a pair of another asset class, such as tokenised shares
    UNUSABLE_PAIR = "unusable_pair"  # a pair that is listed with impossible values, or a dark pool
    UNSETTLED = "unsettled"  # it has ended, and its sums may still rise: it is listed in a moment


@dataclass(frozen=True, slots=True)
class OmittedRow:
    """A row that was left out of a list, as far as it could be read."""

    row_id: str
    reason: RowReason
    detail: str
    """For people: names of fields, pairs and errors, and nothing else of the row's content."""
    client_order_id: str | None = None
    """None if not even that could be read: then the row may be of any order."""
    at: int | None = None
    """When it ended, epoch ms; None if that is not known."""
    pair: str = ""
    """The venue's name of the pair, where that could be read."""

    def may_be(self, client_order_id: str) -> bool:
        """Return whether this row may be the order with this client id."""
        return self.client_order_id is None or self.client_order_id == client_order_id


class OrderList(list[VenueOrder]):
    """Orders as the venue lists them, and the rows that could not be read."""

    def __init__(self, orders: Iterable[VenueOrder] = (), left_out: Iterable[OmittedRow] = ()) -> None:
        super().__init__(orders)
        self.left_out: tuple[OmittedRow, ...] = tuple(left_out)


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset of an account: `total` owned, `free` not held by open orders; plain asset names (`BTC`, `USD`).

    A balance that is staked, lent out or on hold has its own name (`BTC.F`), nothing free, and the coin that it is worth.
    """

    asset: str
    total: Decimal
    free: Decimal
    coin: str = ""
    """The coin that this is worth, if that is not `asset` itself."""


class Balances(Mapping[str, Balance]):
    """The balances of an account by plain asset name. One that could not be read is not among them, and is not zero either."""

    def __init__(self, balances: Mapping[str, Balance], unreadable: Iterable[str] = ()) -> None:
        self.unreadable = frozenset(unreadable)
        """Assets whose balance could not be read: the account may hold any amount of them."""
        self._balances = {asset: each for asset, each in balances.items() if asset not in self.unreadable}

    def __getitem__(self, asset: str) -> Balance:
        """Return a balance. Raises Unavailable for one that could not be read, KeyError for an asset without a balance."""
        if asset in self.unreadable:
            raise Unavailable(f"the balance of {asset} could not be read")
        return self._balances[asset]

    def __contains__(self, asset: object) -> bool:
        return asset in self._balances

    def __iter__(self) -> Iterator[str]:
        return iter(self._balances)

    def __len__(self) -> int:
        return len(self._balances)

    def __repr__(self) -> str:
        return f"Balances({self._balances!r}, unreadable={sorted(self.unreadable)})"
