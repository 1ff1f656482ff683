"""Applies the venue's present asset names to the master's records: a coin bought under a former name is still held.

Without that its next sale under the new name would look like a sale of the whole position, and every user would sell everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

import structlog

from services.master_strategy.clock import Clock
from shared.bus.master.master_account import MasterRecords, read_own_positions, read_positions
from shared.contracts import keys
from shared.domain.position import Position
from shared.domain.rename import Renames, merged
from shared.domain.signal import Signal
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.own_position import OwnPosition
from shared.venues.errors import Unavailable, VenueError
from shared.venues.port import Venue

_EVERY: Final = 2.0
"""Seconds between checks: the adapter caches the venue's pairs, and the operator's file is only read if it changed."""

_log = structlog.get_logger(__name__)

Table = Callable[[], Renames]
"""Returns the operator's table of renamed assets, as in its file now."""


def in_force(renames: Renames, listed: Collection[Symbol]) -> Renames:
    """Return the renames that have happened: the venue lists pairs of the present name only."""
    bases = {symbol.base for symbol in listed}
    happened = [
        each for each in renames.table if each.new and each.old not in bases and renames.present(each.old)[0] in bases
    ]
    return Renames(tuple(happened))


async def names_in_force(venue: Venue, table: Table) -> Renames:
    """Read from the venue which renames have happened. Raises VenueError."""
    listed = await venue.instruments()
    return in_force(table().plus(await venue.renames()), listed.keys())


async def until_renamed(venue: Venue, table: Table, known: Renames, clock: Clock) -> None:
    """Wait until other renames are in force than at the start of the session; then raise Unavailable, which ends it."""
    while True:
        await clock.sleep(_EVERY)
        try:
            now = await names_in_force(venue, table)
        except VenueError:
            continue
        if now != known:
            names = ", ".join(f"{each.old} is {each.new} now" for each in now.table if each not in known.table)
            raise Unavailable(f"assets were renamed ({names or 'fewer than before'}): a new session begins")


async def move_recorded(master: MasterRecords, venue: str, renames: Renames) -> None:
    """Move the recorded positions of the master to present names, in one step. Raises LeaseLost, BusUnavailable."""
    if not renames.table:
        return
    held, _ = await read_positions(master.bus, keys.positions(master.owner, venue))
    present = renames.positions(held)
    old = [symbol for symbol, position in held.items() if symbol not in present and position.size.amount > 0]
    new = [position for symbol, position in present.items() if held.get(symbol) != position] if old else []
    for symbol in old:
        _log.warning(
            "the master's position moves to the asset's new name", old=str(symbol), new=str(renames.symbol(symbol))
        )
    own, _ = await read_own_positions(master.bus, venue, master.owner)
    moved = [each for each in own if renames.symbol(each.symbol) != each.symbol and each.size.amount > 0]
    merged_own = [each for each in own_renamed(renames, own) if each not in own] if moved else []
    await master.write(
        positions=[*(Position.flat(symbol, 0) for symbol in old), *new],
        strategy=[*(OwnPosition.flat(each.strategy, each.symbol, 0) for each in moved), *merged_own],
    )


def own_renamed(renames: Renames, held: Iterable[OwnPosition]) -> list[OwnPosition]:
    """Return what strategies hold under present names, their plans in present units; the plan of the larger part is kept."""
    found: dict[tuple[str, Symbol], OwnPosition] = {}
    for each in held:
        symbol = renames.symbol(each.symbol)
        own = each if symbol == each.symbol else _own_under(renames, each, symbol)
        other = found.get((own.strategy, symbol))
        if other is not None:
            larger = own if other.size < own.size else other
            own = replace(larger, position=merged(other.position, own.position))
        found[own.strategy, symbol] = own
    return list(found.values())


def _own_under(renames: Renames, own: OwnPosition, symbol: Symbol) -> OwnPosition:
    ratio = renames.ratio(own.symbol, symbol)
    plan = None if own.plan is None else own.plan.scaled(1 / ratio)
    return replace(own, position=renames.position(own.position, symbol), plan=plan)


def former_names(renames: Renames) -> frozenset[str]:
    """Return the coins that have or will get another name: nothing follows from a missing balance of theirs."""
    return frozenset(each.old for each in renames.table if each.new)


def signals_renamed(renames: Renames, venue: str, signals: Iterable[Signal]) -> list[Signal]:
    """Return the signals under present names and in present units."""
    return [_renamed(renames, each) if each.venue == venue else each for each in signals]


def _renamed(renames: Renames, signal: Signal) -> Signal:
    symbol = renames.symbol(signal.symbol)
    if symbol == signal.symbol:
        return signal
    ratio = renames.ratio(signal.symbol, symbol)

    def units(size: Quantity) -> Quantity:
        return Quantity(size.amount * ratio, symbol.base)

    return replace(
        signal,
        symbol=symbol,
        base_size=units(signal.base_size),
        price=Price(signal.price.amount / ratio, symbol),
        position_before=units(signal.position_before),
        position_after=units(signal.position_after),
        stop_loss=None,
        take_profit=None,
    )
