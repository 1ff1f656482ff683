"""Compares an account's positions from copying with the venue's balances, and reports each difference once.

It must never trade. It lowers a position's record to what the account has only on an operator's request (`ops reconcile
--repair`), and only in the symbol's own queue, where no fill can be booked at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.books.positions import AccountPositions
from services.executor.account.books.renaming import is_unlisted
from services.executor.account.faults import AccountFaults
from services.executor.account.names import AssetNames
from shared.domain.position import Position
from shared.domain.reconcile import Difference, at_rest, compare, lowered
from shared.domain.values.money import ZERO, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import VenueError
from shared.venues.holdings import owned
from shared.venues.port import Balances, Venue

_LAG_MS: Final = 10_000
"""How long a balance may lag behind a fill that has been booked: a younger position is not judged."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Findings:
    """What one pass found: every difference as text, how many of them are new, and the symbols that could not be judged.

    `reason` is why there was no pass, or what could not be read; an empty text if neither.
    """

    differences: dict[Symbol, str]
    new: int = 0
    left_out: tuple[Symbol, ...] = ()
    reason: str = ""


class Reconciler:
    """Reconciles one account. Reported differences are kept in Redis, so that no later pass or restart repeats them."""

    def __init__(
        self,
        positions: AccountPositions,
        account: AccountKeeper,
        venue: Venue,
        names: AssetNames,
        faults: AccountFaults,
        clock: Callable[[], int],
        busy: Callable[[], Collection[Symbol]],
    ) -> None:
        """`busy` returns the symbols with work under way or waiting."""
        self._positions = positions
        self._account = account
        self._venue = venue
        self._names = names
        self._faults = faults
        self._clock = clock
        self._busy = busy

    async def check(self) -> Findings:
        """Make one pass; an account that cannot be read waits for the next one. Raises LeaseLost, BusUnavailable."""
        if not self._account.ready:
            return Findings({}, reason=f"account is parked: {self._account.reason}")
        reported = await self._positions.differences()
        try:
            before = await self._positions.all()
            if not reported and not before.positions and not before.unreadable:
                return Findings({})
            busy = set(self._busy())
            balances = await self._venue.balances()
            totals = owned(balances)
            # Read after the balances: what was booked meanwhile is too fresh to be judged.
            holdings = await self._positions.all()
        except VenueError as error:
            log.warning("reconciliation has to wait", user=self._positions.user, reason=str(error))
            return Findings({}, reason=str(error))
        # An unreadable record may be of an asset that other positions hold too: its balance cannot be divided among them.
        positions = {symbol: each for symbol, each in holdings.positions.items() if not holdings.may_hold(symbol.base)}
        readable = _with_a_balance(positions, balances)
        resting = at_rest(readable, busy.union(self._busy()), self._clock() - _LAG_MS)
        left_out = tuple(sorted(holdings.positions.keys() - resting.keys(), key=str))
        try:
            found = {each.symbol: await self._describe(each, totals) for each in compare(resting, totals)}
        except VenueError as error:
            return Findings({}, reason=str(error))
        new = {str(symbol): text for symbol, text in found.items() if reported.get(str(symbol)) != text}
        gone = reported.keys() - {str(symbol) for symbol in (*found, *left_out)} - holdings.unreadable.keys()
        await self._positions.write_differences(new, gone)
        for symbol, text in new.items():
            log.warning(
                "position differs from the venue's balance", user=self._positions.user, symbol=symbol, difference=text
            )
        unread = "; ".join(f"{name} cannot be read: {why}" for name, why in holdings.unreadable.items())
        return Findings(found, len(new), left_out, reason=unread)

    async def _describe(self, difference: Difference, totals: Mapping[str, Decimal]) -> str:
        """Describe a difference, with the part that a rename of its asset may have in it."""
        renames, base = self._names.renames, difference.symbol.base
        present = renames.present(base)[0]
        unlisted = await is_unlisted(self._venue, self._faults, difference.symbol)
        if present != base:
            has = Quantity(totals.get(present, ZERO), present)
            return f"{difference}; {base} is {present} now, of which it has {has}: the books follow when the coins are there"
        if not unlisted or renames.gone(base):
            return str(difference)
        return (
            f"{difference}; the venue lists no {base} any more; if it was renamed add it to config/renames.toml, if it is gone "
            f"for good add it there with gone = true: until then it is not taken off the books"
        )

    async def _may_be_elsewhere(self, symbol: Symbol) -> bool:
        """Return whether the account may have a position's coins under another name, so that it must not be lowered."""
        renames = self._names.renames
        if renames.gone(symbol.base):
            return False
        if renames.present(symbol.base)[0] != symbol.base:
            return True
        try:
            return await is_unlisted(self._venue, self._faults, symbol)
        except VenueError:
            return True

    async def repair(self, symbol: Symbol) -> bool:
        """Lower a position's record to what the account has; return whether it was above that. To be called in the symbol's
        queue.

        Compares again: an order may have traded since the difference was found. Raises LeaseLost, BusUnavailable.
        """
        try:
            balances = await self._venue.balances()
            totals = owned(balances)
            holdings = await self._positions.all()
        except VenueError as error:
            log.warning("repair has to wait", user=self._positions.user, symbol=str(symbol), reason=str(error))
            return False
        if holdings.may_hold(symbol.base):
            log.warning("repair has to wait: a record cannot be read", user=self._positions.user, symbol=str(symbol))
            return False
        positions = holdings.positions
        resting = at_rest(_with_a_balance(positions, balances), set(self._busy()) - {symbol}, self._clock() - _LAG_MS)
        difference = next((each for each in compare(resting, totals) if each.symbol == symbol), None)
        if difference is None or await self._may_be_elsewhere(difference.symbol):
            return False
        await self._positions.correct(symbol, lambda now: lowered(now or positions[symbol], difference))
        await self._positions.write_differences({}, gone=[str(symbol)])
        log.warning(
            "position lowered to the venue's balance at an operator's request",
            user=self._positions.user,
            symbol=str(symbol),
            believed=str(difference.believed),
            found=str(difference.found),
        )
        return True


def _with_a_balance(positions: Mapping[Symbol, Position], balances: Balances) -> dict[Symbol, Position]:
    """Leave out what cannot be compared: a balance that could not be read is not zero."""
    return {symbol: each for symbol, each in positions.items() if symbol.base not in balances.unreadable}
