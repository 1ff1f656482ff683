"""The sums of what all users hold and have made, by currency.

Each user's part is taken out and put in again when it is read, so that adding up does not grow with the number of users; all
amounts are exact, so the sums are those of the parts. Prices are of now for every part.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from services.api.reading.rolling_table import MOST_NEW, RollingTable
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.domain.trade_totals import minus, plus
from shared.domain.values.money import Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES
from shared.ledger.performance.read_results import Prices, read_results
from shared.ledger.performance.results import ResultSums, SymbolResult, sum_results

_SUMMED: Final = (
    "bought", "spent", "buy_fees", "sold", "received", "sell_fees", "base_fees", "sold_cost"
)  # fmt: skip
Place = tuple[str, Symbol]
"""Venue and symbol."""


@dataclass(slots=True)
class _Sum:
    """The parts of one symbol at one venue, added up, and how many they are."""

    result: SymbolResult
    parts: int = 1


class HoldingSums:
    """The sums over the users that `users` returns."""

    def __init__(self, bus: Bus, users: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._bus = bus
        self._users = users
        self._table = RollingTable(self._read, most_new=MOST_NEW)
        self._counted: dict[str, Sequence[SymbolResult]] = {}
        self._sums: dict[Place, _Sum] = {}

    @property
    def unread(self) -> int:
        """Return of how many users nothing is in the sums yet, because the api has just started."""
        return self._table.unread

    async def read(self) -> Mapping[str, ResultSums]:
        """Return the sums by currency. Raises BusUnavailable."""
        await self._table.step(await self._users())
        for gone in self._counted.keys() - self._table.rows.keys():
            self._count(gone, ())
        prices: dict[str, Prices] = {venue: await Records(self._bus).prices(venue) for venue in VENUES}
        priced = []
        for (venue, symbol), each in self._sums.items():
            price, at = prices[venue].get(symbol, (None, None))
            priced.append(replace(each.result, price=price, price_at=at))
        return sum_results(priced)

    async def _read(self, users: Sequence[str]) -> Mapping[str, Sequence[SymbolResult]]:
        found: dict[str, list[SymbolResult]] = {user: [] for user in users}
        for account in await read_results(self._bus, users):
            found[account.user] += account.symbols
        for user, parts in found.items():
            self._count(user, parts)
        return found

    def _count(self, user: str, parts: Sequence[SymbolResult]) -> None:
        """Replace a user's parts in the sums."""
        for part in self._counted.pop(user, ()):
            known = self._sums[part.venue, part.symbol]
            known.result, known.parts = _with(known.result, part, taken_out=True), known.parts - 1
            if not known.parts:
                del self._sums[part.venue, part.symbol]
        for part in parts:
            place = part.venue, part.symbol
            if place in self._sums:
                known = self._sums[place]
                known.result, known.parts = _with(known.result, part), known.parts + 1
            else:
                self._sums[place] = _Sum(part)
        if parts:
            self._counted[user] = parts


def _with(total: SymbolResult, part: SymbolResult, *, taken_out: bool = False) -> SymbolResult:
    """Return a sum with a part added or taken out."""
    add = minus if taken_out else plus
    held, more, symbol = total.held, part.held, total.symbol
    sums, trades = total.totals, -part.totals.trades if taken_out else part.totals.trades
    summed: dict[str, Any] = {name: add(getattr(sums, name), getattr(part.totals, name)) for name in _SUMMED}
    return replace(
        total,
        held=replace(
            held,
            size=Quantity(add(held.size.amount, more.size.amount), symbol.base),
            cost=Money(add(held.cost.amount, more.cost.amount), symbol.quote),
        ),
        totals=replace(sums, trades=sums.trades + trades, **summed),
    )
