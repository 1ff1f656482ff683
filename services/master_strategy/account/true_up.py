"""Adjusts the master's position to its account: what the orders bought, against what is there. Pure.

For each coin the account's total (including open orders and staking) consists of the position, which orders bought, and of what
came without an order and is held apart: held before, bought with a button, deposited. A shortfall was withdrawn or sold where
no order shows it, and is subtracted from what is held apart first, then from the position. A surplus is held apart.

Balances lag behind fills, and lists behind both, so nothing follows from one reading: a difference counts when two readings, some
seconds apart, agree on everything and no order has moved the coin for a while before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.values.money import ZERO

LAG_MS: Final = 20_000
"""How long a balance may lag behind a fill: a reading does not count for a coin that an order moved less than this before."""
_APART_MS: Final = 10_000
"""Least time between two readings that confirm each other."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a coin: the account's total, its position by the orders, and the fills of open orders not emitted yet.

    `unemitted` is signed: bought less sold.
    """

    total: Decimal
    position: Decimal
    unemitted: Decimal = ZERO

    @property
    def ended(self) -> Decimal:
        """Return what the account would hold without the fills that are not emitted yet."""
        return max(self.total - self.unemitted, ZERO)


@dataclass(frozen=True, slots=True)
class Allocation:
    """How much of a coin is in the position, and how much is held apart."""

    position: Decimal
    apart: Decimal


class TrueUp:
    """What is held apart of each coin, and the readings that wait for a second one."""

    def __init__(self, apart: Mapping[str, Decimal] | None = None) -> None:
        """`apart` is what was recorded; a coin without a record is settled by its first reading."""
        self._apart = dict(apart or {})
        self._seen: dict[str, tuple[Reading, int]] = {}

    def apart(self, coin: str) -> Decimal:
        """Return what is held apart of a coin."""
        return self._apart.get(coin, ZERO)

    def agrees(self, coin: str, reading: Reading) -> bool:
        """Return whether a reading is what was expected."""
        return coin in self._apart and reading.ended == reading.position + self.apart(coin)

    def observe(self, coin: str, reading: Reading, read_at: int) -> Allocation | None:
        """Note a reading of a coin at rest, requested at `read_at` (epoch ms); return the allocation, None if not confirmed yet.

        The very first reading of a coin without a position settles it: what was there before is held apart.
        """
        known = self._seen.get(coin)
        if known is None or known[0] != reading:
            self._seen[coin] = (reading, read_at)
            new = coin not in self._apart and reading.position == 0 and reading.unemitted == 0
            return self._settle(coin, reading) if new else None
        if read_at - known[1] < _APART_MS:
            return None
        return self._settle(coin, reading)

    def confirmed(self, coin: str, reading: Reading, read_at: int) -> bool:
        """Return whether an earlier reading confirms this one."""
        known = self._seen.get(coin)
        return known is not None and known[0] == reading and read_at - known[1] >= _APART_MS

    def restless(self, coin: str) -> None:
        """Forget the reading of a coin that an order has moved since."""
        self._seen.pop(coin, None)

    def sold(self, coin: str, kept: Decimal) -> None:
        """Note a sale that was a fraction of what is held apart as well: `kept` (0..1) of it is left."""
        if coin in self._apart:
            self._apart[coin] *= kept

    def _settle(self, coin: str, reading: Reading) -> Allocation:
        position = min(reading.position, reading.ended)
        allocation = Allocation(position, reading.ended - position)
        self._apart[coin] = allocation.apart
        return allocation
