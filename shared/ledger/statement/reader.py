"""Reads a user's statement from Redis: what `collected.py` has read, by account, with what was held when the period began.

It reads the streams of one user and the signals of one month, page by page: for one user who is asked for, never for all of
them, and never on a timer. It writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.trade_totals import CONTENTS, read_totals
from shared.domain.position import MAIN
from shared.domain.values.money import ZERO
from shared.domain.values.symbol import Symbol
from shared.ledger.reading import stream_extents
from shared.ledger.statement.collected import Collected, add_size, collect
from shared.ledger.statement.completeness import find_beginning, move_beginning
from shared.ledger.statement.month import Month
from shared.ledger.statement.records.material import Copied, Ending, Holding, Material, Opening, Scale
from shared.ledger.statement.records.scales import first_scale
from shared.ledger.statement.statement import NoStatementError, Statement, state_account

_EVERY_TRADE: Final = "0"
"""What sums of trades say of themselves if they go back to the account's first trade: see CONTENTS."""

Account = tuple[str, str, str]
"""Venue, currency and the named master whose book it is (empty: the main book)."""


async def read_statement(bus: Bus, user: str, month: Month, now: int) -> Statement:
    """Read a user's statement of a month, up to `now` (epoch ms) while the month is running.

    Raises BusUnavailable, StatementError.
    """
    if now <= month.begins:
        return Statement(user, month, running=False, accounts=(), notes=(f"{month} has not begun.",))
    until = min(month.ends, now)
    running = now < month.ends
    beginning = await find_beginning(bus, user, month)
    records = await collect(bus, user, beginning.since, until)
    if (later := await move_beginning(bus, user, beginning, records)) is not beginning:
        beginning = later
        records = await collect(bus, user, beginning.since, until)
    since, notes = beginning.since, [beginning.note] if beginning.note else []
    if since >= until:
        return Statement(user, month, running, accounts=(), notes=tuple(notes))
    accounts = []
    for account in sorted(_accounts(records)):
        material = await _material(bus, user, account, records, since, until, running=running)
        try:
            stated = await asyncio.to_thread(state_account, material)  # a busy month takes some tenths of a second
        except NoStatementError as error:
            notes.append(str(error))
            continue
        if stated is not None:
            accounts.append(stated)
    if records.unreadable:
        notes.append(f"{records.unreadable} entries could not be read and are left out.")
    return Statement(user, month, running, tuple(accounts), tuple(notes))


async def _material(
    bus: Bus, user: str, account: Account, records: Collected, since: int, until: int, *, running: bool
) -> Material:
    venue, currency, master = account
    copied = [each for each in records.copied if _account_of(each) == account]
    before = [each for each in records.before if _account_of(each) == account]
    endings = [each for each in records.endings if _account_of_ending(each) in {account, None}]
    held = await _held(bus, user, account, records)
    return Material(
        venue=venue,
        currency=currency,
        since=since,
        until=until,
        copied=copied,
        endings=endings,
        openings=_openings(copied, before, held),
        closing_prices=await _prices_now(bus, venue) if running else {},
        lots={symbol: each.lot_step for symbol, each in (await Records(bus).instruments(venue)).items()},
        scale_before=_scale_before(before),
        master=master,
    )


def _openings(copied: list[Copied], before: list[Copied], held: Mapping[Holding, Decimal]) -> Mapping[Holding, Opening]:
    """Return what master and user held when the period began: the master's from the signals around that instant."""
    found: dict[Holding, Opening] = {}
    for each in reversed(before):  # oldest first: the latest one stands
        signal = each.signal
        found[Holding.of(signal.symbol)] = Opening(signal.position_after.amount, ZERO, signal.price.amount)
    seen: set[Holding] = set()
    for each in copied:
        key = Holding.of(each.signal.symbol)
        if key not in seen:
            seen.add(key)
            opening = found.get(key, Opening())
            found[key] = replace(opening, master=each.signal.position_before.amount)
    for key, size in held.items():
        found[key] = replace(found.get(key, Opening()), user=size)
    return found


async def _held(bus: Bus, user: str, account: Account, records: Collected) -> dict[Holding, Decimal]:
    """Return what the user held from copying when the period began: the sum of all trades before it.

    If the first of them have been removed, it is what all trades have left by now, less the trades since then.
    """
    venue, currency, master = account
    found: dict[Holding, Decimal] = {}
    (extent,) = await stream_extents(bus, [keys.reports(user)])
    if extent.removed:
        for symbol, size in (await _held_now(bus, user, venue, master)).items():
            add_size(found, Holding.of(symbol), size)
    gained = records.gained_since if extent.removed else records.gained_before
    for (place, whose, key), size in gained.items():
        if (place, whose) == (venue, master):
            add_size(found, key, -size if extent.removed else size)
    return {key: size for key, size in found.items() if size and key.currency == currency}


async def _held_now(bus: Bus, user: str, venue: str, master: str) -> dict[Symbol, Decimal]:
    """Return what all trades for a master have left of each symbol, by the sums that the account keeps.

    What cannot be read is left out. Sums that do not go back to the first trade say less than the positions do, which stand for
    them then; so do the books of named masters, since the sums are those of the account.
    """
    written = pairs(await bus.do("HGETALL", keys.totals(user, venue)))
    positions = (await Records(bus).holdings(user, venue)).positions
    if master != MAIN or written.get(CONTENTS) != _EVERY_TRADE:
        return {symbol: position.book(master).size.amount for symbol, position in positions.items()}
    found = {}
    for name, text in written.items():
        with suppress(ValueError):  # the other fields are no symbols
            symbol = Symbol.parse(name)
            position = positions.get(symbol)
            others = ZERO if position is None else position.size.amount - position.book(MAIN).size.amount
            found[symbol] = read_totals(text).expected_size.amount - others
    return found


async def _prices_now(bus: Bus, venue: str) -> dict[Holding, Decimal]:
    return {Holding.of(symbol): price.amount for symbol, (price, _) in (await Records(bus).prices(venue)).items()}


def _scale_before(before: list[Copied]) -> Scale | None:
    return next((scale for each in before if (scale := first_scale([each])) is not None), None)


def _accounts(records: Collected) -> set[Account]:
    traded = {
        (venue, key.currency, master)
        for gained in (records.gained_before, records.gained_since)
        for venue, master, key in gained
    }
    return traded | {_account_of(each) for each in [*records.copied, *records.before]}


def _account_of(each: Copied) -> Account:
    return each.decision.venue, Holding.of(each.signal.symbol).currency, each.decision.master


def _account_of_ending(ending: Ending) -> Account | None:
    trade = ending.trade
    return (trade.venue, Holding.of(trade.symbol).currency, trade.master) if trade else None
