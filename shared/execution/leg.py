"""What is to be sent: an order under one id in Redis, and the legs in which it goes to the venue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.bus.flow.streams import entry_ms
from shared.domain.account import is_master
from shared.domain.order import Decision, Kind, Side, leg_id
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol


@dataclass(frozen=True, slots=True)
class TrackedOrder:
    """An order as its record identifies it. Every recorded step repeats these fields, and so restores a record that Redis lost.

    `decided_at` (epoch ms) is the earliest instant at which anything of it can have been sent; `more` holds the fields that only
    this kind of order has.
    """

    id: str
    user: str
    venue: str
    symbol: Symbol
    side: Side
    kind: Kind
    decided_at: int
    signal_id: str = ""
    entry_id: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(decision: Decision, entry_id: str) -> TrackedOrder:
        """Return the order that a decision becomes; `entry_id` is that of its stream entry, empty for a user's own exit."""
        # The signal's instant is only claimed by its message, the entry's is the clock of Redis. Searches begin before both.
        decided_at = min(entry_ms(entry_id), decision.signal_at) if entry_id else decision.signal_at
        return TrackedOrder(
            decision.id,
            decision.user,
            decision.venue,
            decision.symbol,
            decision.side,
            decision.kind,
            decided_at,
            decision.signal_id,
            entry_id,
            {"master": decision.master} if decision.master else {},
        )

    def fields(self) -> dict[str, str]:
        """Return the fields of its record that identify it."""
        return {
            "id": self.id,
            "signal_id": self.signal_id,
            "entry_id": self.entry_id,
            "user": self.user,
            "venue": self.venue,
            "symbol": str(self.symbol),
            "side": self.side,
            "kind": self.kind,
            **self.more,
        }


@dataclass(frozen=True, slots=True)
class Leg:
    """One order at the venue. `number` counts the legs from 1; a copied entry has one. No limit price is a market order."""

    order: TrackedOrder
    number: int
    size: Quantity
    limit_price: Price | None
    target: Quantity
    """What the whole order is to trade; later legs trade the rest."""
    rests: bool = False
    """It stays open until it is filled or cancelled."""
    post_only: bool = False
    stop_price: Price | None = None
    """Of one that rests: the venue sells once the price has fallen to it."""

    def __post_init__(self) -> None:
        if self.order.kind is Kind.ENTRY and self.limit_price is None and not is_master(self.order.user):
            raise ValueError("a user's entry without a limit would buy at any price")

    @property
    def client_order_id(self) -> str:
        """The id under which the venue knows the leg."""
        return leg_id(self.order.id, self.number)
