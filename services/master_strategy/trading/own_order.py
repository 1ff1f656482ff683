"""An order of the master's strategy, and how it is read back from its record after a crash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar

import structlog

from shared.contracts.exit_plan_record import read_due_exit, read_exit_plan, write_due_exit, write_exit_plan
from shared.domain.order import Kind, Side
from shared.domain.values.money import Price, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.execution.leg import Leg, TrackedOrder
from shared.strategies.exit_plan import DueExit, ExitPlan
from shared.venues.port import VenueOrder

_log = structlog.get_logger(__name__)
_Part = TypeVar("_Part")
_MARK: Final = "5a0a1005"
"""Prefix of the strategies' client order ids: at the venue they identify own orders even if Redis lost the records."""


def own_id(random_id: str, strategy: str) -> str:
    """Return a UUID with the prefix of own orders, and a mark of the strategy in its second group."""
    return f"{_MARK}-{_mark_of(strategy)}-{random_id[14:]}"


def strategy_of(client_order_id: str, strategies: Sequence[str]) -> str:
    """Return which of some strategies placed an order; the first for an order without a mark, as earlier ones are."""
    mark = client_order_id[len(_MARK) + 1 :][:4]
    return next((each for each in strategies if _mark_of(each) == mark), strategies[0])


def _mark_of(strategy: str) -> str:
    return hashlib.sha256(strategy.encode()).hexdigest()[:4]


def is_own_id(client_order_id: str) -> bool:
    """Return whether an order was placed by the strategy."""
    return client_order_id.startswith(f"{_MARK}-")


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """One order of the strategy. `id` is its client order id; `begun_at` in epoch ms; `reason` is the strategy's."""

    id: str
    venue: str
    symbol: Symbol
    side: Side
    size: Quantity
    limit_price: Price | None
    begun_at: int
    strategy: str
    reason: str = ""
    entered_at: int = 0
    """Of an entry: the end of the candle at which it was decided, epoch ms of market time."""
    exit_plan: ExitPlan | None = None
    """Of an entry: how what it buys ends by price."""
    exit_step: DueExit | None = None
    """Of an exit: the step of the position's plan that it carries out, if it is one."""
    stop_price: Price | None = None
    """Of a stop that rests at the venue: it sells once the price has fallen to this."""
    venue_order_id: str = ""
    owner: str = field(kw_only=True)
    """The user name in the keys of the account: `master.<name>` for a further one at its venue."""
    record_lost: bool = False
    """Whether Redis has lost the record, and only the venue knows the order."""

    @property
    def kind(self) -> Kind:
        """On spot a buy opens and a sell closes."""
        return Kind.ENTRY if self.side is Side.BUY else Kind.EXIT

    def tracked(self) -> TrackedOrder:
        """Return it in the form that `shared/execution` takes."""
        more = {
            "strategy": self.strategy,
            "plan": self.reason,
            "entered_at": str(self.entered_at or ""),
            "exit_plan": write_exit_plan(self.exit_plan),
            "exit_step": write_due_exit(self.exit_step),
            **({"stop_price": plain(self.stop_price.amount)} if self.stop_price else {}),
        }
        return TrackedOrder(
            self.id, self.owner, self.venue, self.symbol, self.side, self.kind, decided_at=self.begun_at, more=more
        )

    def leg(self) -> Leg:
        """Return its one leg."""
        stop = self.stop_price
        return Leg(self.tracked(), 1, self.size, self.limit_price, self.size, rests=stop is not None, stop_price=stop)

    @staticmethod
    def lost(order: VenueOrder, venue: str, strategy: str, owner: str) -> OwnOrder:
        """Return the order for a venue's record that has our prefix and no record in Redis."""
        return OwnOrder(
            id=order.client_order_id,
            venue=venue,
            symbol=order.symbol,
            side=order.side,
            size=order.filled,
            limit_price=None,
            begun_at=order.opened_at,
            strategy=strategy,
            venue_order_id=order.venue_order_id,
            owner=owner,
            record_lost=True,
        )

    @staticmethod
    def read(order_id: str, fields: Mapping[str, str], owner: str) -> OwnOrder:
        """Parse its record. Raises KeyError, ValueError or ArithmeticError for what is none."""
        symbol = Symbol.parse(fields["symbol"])
        limit, stop = fields.get("limit_price", ""), fields.get("stop_price", "")
        return OwnOrder(
            id=order_id,
            venue=fields["venue"],
            symbol=symbol,
            side=Side(fields["side"]),
            size=Quantity(Decimal(fields["base_size"]), symbol.base),
            limit_price=Price(Decimal(limit), symbol) if limit else None,
            begun_at=int(fields["sent_at"]),
            strategy=fields.get("strategy", ""),
            reason=fields.get("plan", ""),
            entered_at=int(fields.get("entered_at") or 0),
            exit_plan=_readable(order_id, read_exit_plan, fields.get("exit_plan", "")),
            exit_step=_readable(order_id, read_due_exit, fields.get("exit_step", "")),
            stop_price=Price(Decimal(stop), symbol) if stop else None,
            venue_order_id=fields.get("venue_order_id", ""),
            owner=owner,
        )


def _readable(order_id: str, read: Callable[[str], _Part | None], written: str) -> _Part | None:
    """Return a part of a record; None if it cannot be read: the order has to be followed to its end all the same."""
    try:
        return read(written)
    except (ValueError, ArithmeticError) as error:
        words = "an order's exit plan cannot be read: its position is sold by the strategy alone"
        _log.error(words, order_id=order_id, error=str(error))
        return None
