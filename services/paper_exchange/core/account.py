"""One user's account at one venue: balances by plain asset, holds, keys, orders, trades, transfers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from services.paper_exchange.core.events import AccountListener, Change
from services.paper_exchange.core.fees import RollingVolume
from services.paper_exchange.core.instrument import ZERO
from services.paper_exchange.core.order import Order, Trade


class Permission(StrEnum):
    """What a key may do."""

    QUERY_FUNDS = "query-funds"
    QUERY_OPEN_ORDERS = "query-open-orders"
    QUERY_CLOSED_ORDERS = "query-closed-orders"
    MODIFY_ORDERS = "modify-orders"
    CANCEL_ORDERS = "cancel-orders"
    QUERY_LEDGER = "query-ledger"
    WEBSOCKETS = "websockets"
    WITHDRAW = "withdraw"


DEFAULT_PERMISSIONS = frozenset(Permission) - {Permission.WITHDRAW}


@dataclass(slots=True, eq=False)
class ApiKey:
    """One key of an account. `secret` checks the signatures; only the call that creates the key returns it."""

    name: str
    secret: bytes = field(repr=False)
    secret_text: str = field(repr=False)
    account: Account
    permissions: frozenset[Permission]
    tier: str
    nonce_window: int = 0
    last_nonce: int = 0
    recent_nonces: set[int] = field(default_factory=set)
    created_at: float = 0.0
    valid_until: int = 0
    """Epoch seconds at which it expires; 0 if it does not."""
    ip_allowlist: tuple[str, ...] = ()


@dataclass(slots=True)
class Transfer:
    """A deposit (positive) or a withdrawal (negative)."""

    id: str
    at: float
    asset: str
    amount: Decimal
    balance_after: Decimal
    kind: str = ""
    """What it is if it is neither a deposit nor a withdrawal (`conversion`)."""


@dataclass(slots=True)
class MarginPosition:
    """The net margin position of a symbol: size above zero is long, below is short; `cost` has the same sign."""

    id: str
    opened_by: str
    opened_at: float
    size: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO

    def trade(self, size: Decimal, price: Decimal) -> Decimal:
        """Add a signed fill. Return the profit or loss of what it closed, in quote."""
        if self.size * size >= 0:
            self.size += size
            self.cost += size * price
            return ZERO
        closed = -self.size if abs(size) > abs(self.size) else size
        average = self.cost / self.size
        made = -closed * (price - average)
        self.size += closed
        self.cost += closed * average
        if self.size == 0:
            self.cost = ZERO
        rest = size - closed
        self.size += rest
        self.cost += rest * price
        return made


@dataclass(slots=True, eq=False)
class Account:
    """Balances are totals; the part that open orders hold is in `holds`."""

    user: str
    venue: str
    tier: str
    balances: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    holds: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    keys: dict[str, ApiKey] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    open_orders: dict[str, Order] = field(default_factory=dict)
    closed_orders: list[Order] = field(default_factory=list)
    by_client_id: defaultdict[str, list[Order]] = field(default_factory=lambda: defaultdict(list))
    trades: list[Trade] = field(default_factory=list)
    trades_by_id: dict[str, Trade] = field(default_factory=dict)
    entries: list[Trade | Transfer] = field(default_factory=list)
    volume: RollingVolume = field(default_factory=RollingVolume)
    lagging: list[tuple[float, str, Decimal]] = field(default_factory=list)  # (until, asset, credit not shown yet)
    cancel_all_at: float = 0.0
    margin: bool = False
    """Whether it may trade on margin."""
    positions: dict[str, MarginPosition] = field(default_factory=dict)
    listeners: list[AccountListener] = field(default_factory=list)

    def tell(self, order: Order, change: Change, trade: Trade | None = None) -> None:
        """Tell those who listen that one of its orders has changed."""
        for listener in self.listeners:
            listener.order_changed(order, change, trade)

    def available(self, asset: str, now: float) -> Decimal:
        """Return the amount that a new order may use."""
        return self.balances.get(asset, ZERO) - self.holds.get(asset, ZERO) - self.lag(asset, now)

    def shown(self, asset: str, now: float) -> Decimal:
        """Return the balance that a query shows: without credits that lag behind their fill."""
        return self.balances.get(asset, ZERO) - self.lag(asset, now)

    def lag(self, asset: str, now: float) -> Decimal:
        """Return the credits that are not visible yet."""
        if not self.lagging:
            return ZERO
        self.lagging = [entry for entry in self.lagging if entry[0] > now]
        return sum((amount for _, name, amount in self.lagging if name == asset), ZERO)

    def hold(self, order: Order, asset: str, amount: Decimal) -> None:
        """Set the amount that an order holds; a former hold of it is released."""
        if order.held:
            self.holds[order.held_asset] -= order.held
        order.held_asset, order.held = asset, amount
        if amount:
            self.holds[asset] += amount

    def transfer(self, entry_id: str, at: float, asset: str, amount: Decimal, kind: str = "") -> None:
        """Book a deposit or withdrawal, or what `kind` says."""
        self.balances[asset] += amount
        entry = Transfer(entry_id, at, asset, amount, self.balances[asset], kind)
        self.entries.append(entry)
        for listener in self.listeners:
            listener.funds_moved(entry)

    def opened(self, order: Order) -> None:
        """Add a new order."""
        self.orders[order.id] = order
        self.open_orders[order.id] = order
        if order.ticket.client_id:
            self.by_client_id[order.ticket.client_id].append(order)
        self.tell(order, Change.ACCEPTED)

    def closed(self, order: Order) -> None:
        """Move an order to the closed ones and release its hold."""
        self.hold(order, order.held_asset, ZERO)
        if self.open_orders.pop(order.id, None) is not None:
            self.closed_orders.append(order)
