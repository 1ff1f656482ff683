"""Moves positions to the name under which the venue knows their asset now.

Only in the symbol's own queue, where no order of it is under way: an order that ended under the old name after its position had
been moved would be sold twice. The move is one fenced step, so it happens once, however often it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import structlog

from services.executor.account.books.positions import AccountPositions
from services.executor.account.faults import AccountFaults
from services.executor.account.names import AssetNames
from shared.bus.state.records import Records
from shared.domain.fault import FaultKind
from shared.domain.rename import RenameAction, rename_action
from shared.domain.values.money import ZERO, plain
from shared.domain.values.symbol import Symbol
from shared.venues.port import Balances, PublicVenue, Venue

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PresentName:
    """The name by which a symbol is to be traded now; `waits` says why nothing can be traded yet, if so."""

    symbol: Symbol
    waits: str = ""


class Renamer:
    """Finds the present names of one account's symbols, and moves its positions to them."""

    def __init__(
        self,
        names: AssetNames,
        positions: AccountPositions,
        venue: Venue,
        records: Records,
        faults: AccountFaults,
        clock: Callable[[], int],
    ) -> None:
        self._names = names
        self._positions = positions
        self._venue = venue
        self._records = records
        self._faults = faults
        self._clock = clock

    async def present_name(self, symbol: Symbol) -> PresentName:
        """Return the name under which a symbol is traded now, after moving what is held under its former ones.

        To be called in the symbol's queue. Raises VenueError, MalformedMessageError, LeaseLost, BusUnavailable.
        """
        present = self._names.renames.symbol(symbol)
        names = self._names.renames.former(present)
        if not names:
            return PresentName(symbol)
        listed = await self._venue.instruments()
        for name in names:
            position = await self._positions.of(name)
            if position is None or position.size.amount == 0:
                continue
            balances = await self._venue.balances()
            found = rename_action(
                position.size.amount,
                old_listed=name in listed,
                old_total=_total(balances, name.base),
                new_listed=present in listed,
                new_total=_total(balances, present.base),
            )
            if found is RenameAction.STAY:
                return PresentName(name)
            if found is RenameAction.WAIT:
                return PresentName(name, self._wait(name, present))
            await self._move(name, present)
        return PresentName(present if present in listed else symbol)

    def _wait(self, old: Symbol, new: Symbol) -> str:
        reason = f"{old.base} is {new.base} now, and the account has no coins under that name yet"
        if self._faults.report(FaultKind.SYMBOL, reason, str(old)):
            log.warning("waiting for renamed coins", user=self._positions.user, symbol=str(old), reason=reason)
        return reason

    async def _move(self, old: Symbol, new: Symbol) -> None:
        if not await self._positions.move(old, new, self._names.renames):
            return
        self._faults.clear(FaultKind.SYMBOL, str(old))
        prices = await self._venue.prices([new])  # so that the position is valued at once
        await self._records.write_prices(self._venue.name, prices.values(), self._clock())
        self._positions.changed.set()
        log.warning(
            "position moved to the asset's new name",
            user=self._positions.user,
            old=str(old),
            new=str(new),
            ratio=plain(self._names.renames.ratio(old, new)),
        )


async def is_unlisted(venue: PublicVenue, faults: AccountFaults, symbol: Symbol) -> bool:
    """Return whether the venue lists no pair of an asset any more, and report it: nothing can sell what is held of it.

    Raises VenueError.
    """
    if any(each.base == symbol.base for each in await venue.instruments()):
        faults.clear(FaultKind.SYMBOL, str(symbol))
        return False
    reason = (
        f"{symbol.base} is held from copying, and the venue lists no {symbol.base} any more: if it was renamed add it to "
        f"config/renames.toml"
    )
    if faults.report(FaultKind.SYMBOL, reason, str(symbol)):
        log.error("what is held is not listed by the venue", user=faults.user, symbol=str(symbol))
    return True


def _total(balances: Balances, asset: str) -> Decimal:
    """Return what the account has of an asset. Raises Unavailable for a balance that could not be read: it is no zero."""
    balance = balances.get(asset)
    return balance.total if balance else ZERO
