"""Signals: what the master's account did, emitted once per confirmed fill."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from shared.domain.account import MASTER
from shared.domain.order import CLOCK_TOLERANCE_MS, Kind, Side
from shared.domain.position import MAIN
from shared.domain.values.master_name import is_master_name
from shared.domain.values.money import Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol

_NAMESPACE: Final = UUID("8a1d2f0e-7d5c-5b58-9d5e-5f4f6b1c7a10")  # Shoal's own, for ids derived from venue facts


class Source(StrEnum):
    """Who placed the master's order."""

    STRATEGY = "strategy"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Signal:
    """One confirmed fill of the master. Instants in epoch ms; `fraction` is set for exits only, 0 < fraction <= 1."""

    id: str
    venue: str
    symbol: Symbol
    side: Side
    kind: Kind
    base_size: Quantity
    quote_size: Money
    price: Price
    fraction: Decimal | None
    position_before: Quantity
    position_after: Quantity
    master_equity: Money | None
    """Before this fill; None if it was not fully known, and then no ratio to it can be computed."""
    master_order_id: str
    source: Source
    strategy: str
    stop_loss: Price | None
    take_profit: Price | None
    filled_at: int
    emitted_at: int
    master: str = ""
    """The master's name; empty where it has none but its venue's."""
    equity_reason: str = ""
    """Why `master_equity` is not known; an empty text if it is known, or if no cause was recorded."""
    owner: str = MASTER
    """The user name in the keys of the account that traded: `master.<name>` for a further one at its venue."""
    fee: Money | None = None
    """What the venue took for this fill in quote; None if that was not recorded. Nothing is sized by it."""

    @property
    def leader(self) -> str:
        """The name of the master whose signal this is: its venue's, where it has no other."""
        return self.master or self.venue

    @property
    def book(self) -> str:
        """The book that copies of it change: the master's, if it is a named one, else the main one."""
        return self.master if is_master_name(self.master) else MAIN

    def ahead_by(self, now: int) -> int:
        """Return by how many ms the fill is dated in the future, beyond the clock tolerance; 0 if it is not."""
        return max(self.filled_at - now - CLOCK_TOLERANCE_MS, 0)


def signal_id(venue: str, master_order_id: str, filled_so_far: Quantity, owner: str = MASTER) -> str:
    """Derive the id of a signal from the venue's facts, so that a fill found twice gives the same signal.

    `filled_so_far` is the order's cumulative executed base amount including this fill.
    """
    place = venue if owner == MASTER else f"{venue}/{owner}"
    return str(uuid5(_NAMESPACE, f"{place}:{master_order_id}:{plain(filled_so_far.amount)}"))
