"""The master's position trued up against its account: what the orders say, against what is there. Pure.

For each coin the account's total (with what open orders hold and what is staked) is what orders have bought, the position, and
what came without an order, which stands apart: held before, bought with a button, deposited. What the total lacks was withdrawn
or sold where no order shows it, and is taken off what stands apart first, then off the position. What it has more stands apart.

Balances lag behind fills and lists behind both, so nothing is concluded from one reading: a difference counts when two readings,
some seconds apart, agree on everything and no order has moved the coin for a while before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.values.money import ZERO

LAG_MS: Final = 20_000
"""How long a balance may lag behind a fill: a reading says nothing of a coin that an order moved less than this before it."""
_APART_MS: Final = 10_000
"""Between two readings that are to agree."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One coin as read: all that the account holds of it, its position by the orders, and fills of open orders not told yet.

    `untold` is signed: bought less sold.
    """

    total: Decimal
    position: Decimal
    untold: Decimal = ZERO

    @property
    def ended(self) -> Decimal:
        """Return what the account would hold without the fills that are still to be told."""
        return max(self.total - self.untold, ZERO)


@dataclass(frozen=True, slots=True)
class Settled:
    """How much of a coin is in the position, and how much stands apart."""

    position: Decimal
    apart: Decimal


class TrueUp:
    """What stands apart of each coin, and the readings that wait for a second one."""

    def __init__(self, apart: Mapping[str, Decimal] | None = None) -> None:
        """`apart` is what was recorded; a coin of which nothing was is settled by its first reading."""
        self._apart = dict(apart or {})
        self._seen: dict[str, tuple[Reading, int]] = {}

    def apart(self, coin: str) -> Decimal:
        """Return what stands apart of a coin."""
        return self._apart.get(coin, ZERO)

    def agrees(self, coin: str, reading: Reading) -> bool:
        """Say whether a reading is what was expected."""
        return coin in self._apart and reading.ended == reading.position + self.apart(coin)

    def observe(self, coin: str, reading: Reading, read_at: int) -> Settled | None:
        """Take a reading of a coin at rest, asked for at `read_at` (epoch ms); what is settled by it, None if nothing is yet.

        The first reading of all of a coin that is in no position settles it: what was there before stands apart.
        """
        known = self._seen.get(coin)
        if known is None or known[0] != reading:
            self._seen[coin] = (reading, read_at)
            new = coin not in self._apart and reading.position == 0 and reading.untold == 0
            return self._settle(coin, reading) if new else None
        if read_at - known[1] < _APART_MS:
            return None
        return self._settle(coin, reading)

    def confirmed(self, coin: str, reading: Reading, read_at: int) -> bool:
        """Say whether two readings agree on this."""
        known = self._seen.get(coin)
        return known is not None and known[0] == reading and read_at - known[1] >= _APART_MS

    def restless(self, coin: str) -> None:
        """Forget the reading of a coin that an order has moved since."""
        self._seen.pop(coin, None)

    def sold(self, coin: str, kept: Decimal) -> None:
        """Note that a sale was a fraction of what stands apart as well: `kept` (0..1) of it is left."""
        if coin in self._apart:
            self._apart[coin] *= kept

    def _settle(self, coin: str, reading: Reading) -> Settled:
        position = min(reading.position, reading.ended)
        settled = Settled(position, reading.ended - position)
        self._apart[coin] = settled.apart
        return settled
