"""Moves what is held to the name under which the venue knows it now.

Only in the symbol's own queue, where no order of it is under way: an order that ended under the old name after its position had
been moved would be sold twice. The move is one fenced step, so it happens once, whoever repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import structlog

from services.executor.account.context import AccountContext
from shared.domain.fault import FaultKind
from shared.domain.rename import RenameAction, rename_action
from shared.domain.values.money import ZERO, plain
from shared.domain.values.symbol import Symbol
from shared.venues.port import Balances

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Named:
    """The name by which a symbol is to be traded now; `waits` says why nothing can be traded yet, if so."""

    symbol: Symbol
    waits: str = ""


async def present_name(context: AccountContext, symbol: Symbol) -> Named:
    """Return the name under which a symbol is traded now, after moving what is held under its former ones.

    To be called in the symbol's queue. Raises VenueError, MalformedMessageError, LeaseLost, BusUnavailable.
    """
    present = context.renames.symbol(symbol)
    names = context.renames.former(present)
    if not names:
        return Named(symbol)
    listed = await context.venue.instruments()
    for name in names:
        position = await context.records.position(context.user, context.venue.name, name)
        if position is None or position.size.amount == 0:
            continue
        balances = await context.venue.balances()
        found = rename_action(
            position.size.amount,
            old_listed=name in listed,
            old_total=_total(balances, name.base),
            new_listed=present in listed,
            new_total=_total(balances, present.base),
        )
        if found is RenameAction.STAY:
            return Named(name)
        if found is RenameAction.WAIT:
            return Named(name, _wait(context, name, present))
        await _move(context, name, present)
    return Named(present if present in listed else symbol)


async def is_unlisted(context: AccountContext, symbol: Symbol) -> bool:
    """Say whether the venue lists no pair of an asset any more, and report it: nothing can sell what is held of it.

    Raises VenueError.
    """
    if any(each.base == symbol.base for each in await context.venue.instruments()):
        context.faults.clear(FaultKind.SYMBOL, str(symbol))
        return False
    reason = (
        f"{symbol.base} is held from copying, and the venue lists no {symbol.base} any more: if it was renamed add it to "
        f"config/renames.toml"
    )
    if context.faults.report(FaultKind.SYMBOL, reason, str(symbol)):
        log.error("what is held is not listed by the venue", user=context.user, symbol=str(symbol))
    return True


def _total(balances: Balances, asset: str) -> Decimal:
    """Return what the account has of an asset. Raises Unavailable for a balance that could not be read: it is no zero."""
    balance = balances.get(asset)
    return balance.total if balance else ZERO


def _wait(context: AccountContext, old: Symbol, new: Symbol) -> str:
    reason = f"{old.base} is {new.base} now, and the account has no coins under that name yet"
    if context.faults.report(FaultKind.SYMBOL, reason, str(old)):
        log.warning("waiting for renamed coins", user=context.user, symbol=str(old), reason=reason)
    return reason


async def _move(context: AccountContext, old: Symbol, new: Symbol) -> None:
    async with context.booking:
        moved = await context.store.move_position(old, new, context.renames)
    if not moved:
        return
    context.faults.clear(FaultKind.SYMBOL, str(old))
    await context.records.write_differences(context.user, context.venue.name, {}, gone=[str(old)])
    prices = await context.venue.prices([new])
    await context.records.write_prices(
        context.venue.name, prices.values(), context.clock()
    )  # what is held is valued at once
    context.changed.set()
    log.warning(
        "position moved to the asset's new name",
        user=context.user,
        old=str(old),
        new=str(new),
        ratio=plain(context.renames.ratio(old, new)),
    )
