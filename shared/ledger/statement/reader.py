"""Collects what a statement needs from Redis: the user's decisions and reports, the signals, and what was held before.

It reads the streams of one user and the signals of one month, page by page: for one user who is asked for, never for all of
them, and never on a timer. It writes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, TypeVar

from shared.bus.connection import Bus
from shared.bus.records import Records, pairs
from shared.bus.streams import Entry, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.contracts.trade_totals import CONTENTS, read_totals
from shared.domain.order import Decision
from shared.domain.reason import ReasonCode
from shared.domain.values.money import ZERO
from shared.domain.values.symbol import Symbol
from shared.ledger.performance.trades import trade_of
from shared.ledger.reading import PAGE, stream_extents
from shared.ledger.statement.month import Month
from shared.ledger.statement.parts.exact import exactly
from shared.ledger.statement.records.material import Copied, Ending, Holding, Material, Opening, Scale
from shared.ledger.statement.records.scales import first_scale
from shared.ledger.statement.statement import Statement, state_account

_LOOK_BACK: Final = 5
"""Pages of signals before the period in which the master's positions and their prices are searched for."""
_EVERY_TRADE: Final = "0"
"""What sums of trades say of themselves if they go back to the account's first trade: see CONTENTS."""
T = TypeVar("T")

Account = tuple[str, str]
"""Venue and currency."""


@dataclass(slots=True)
class _Records:
    """What was read of one user."""

    copied: list[Copied] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    """All that are still there, of whatever month."""
    before: list[Copied] = field(default_factory=list)
    """The latest ones from before the period, newest first."""
    unreadable: int = 0


async def read_statement(bus: Bus, user: str, month: Month, now: int) -> Statement:
    """Read a user's statement of a month, up to `now` (epoch ms) while the month is running.

    Raises BusUnavailable, StatementError.
    """
    if now <= month.begins:
        return Statement(user, month, running=False, accounts=(), notes=(f"{month} has not begun.",))
    until = min(month.ends, now)
    since, notes = await _beginning(bus, user, month)
    records = await _read(bus, user, since, until)
    accounts = []
    for venue, currency in sorted(_accounts(records)):
        material = await _material(bus, user, (venue, currency), records, since, until, running=now < month.ends)
        stated = state_account(material)
        if stated is not None:
            accounts.append(stated)
    if records.unreadable:
        notes.append(f"{records.unreadable} entries could not be read and are left out.")
    return Statement(user, month, now < month.ends, tuple(accounts), tuple(notes))


async def _beginning(bus: Bus, user: str, month: Month) -> tuple[int, list[str]]:
    """Return the instant from which the user's records of the month exist, and why that is not the first of the month."""
    begins = month.begins
    orders, signals = await stream_extents(bus, [keys.orders(user), keys.SIGNALS])
    since, notes = begins, []
    if orders.first is not None and orders.first[0] > begins and not orders.removed:
        since = orders.first[0]
        notes.append("The user began to follow within the month: the statement begins then.")
    for extent in (orders, signals):
        if extent.removed and extent.first is not None and extent.first[0] > since:
            since = extent.first[0]
            notes = ["Older records have been removed (retention_days): the statement does not begin with the month."]
    return since, notes


async def _read(bus: Bus, user: str, since: int, until: int) -> _Records:
    found = _Records()
    decisions: dict[str, Decision] = {}
    async for entry in _range(bus, keys.orders(user), since, until):
        decision = _parsed(entry, found, lambda each: OrderMessage.parse(each.fields).to_domain())
        if decision is not None and decision.code != ReasonCode.VENUE_NOT_FOLLOWED:
            decisions[decision.signal_id] = decision
    if decisions:
        async for entry in _range(bus, keys.SIGNALS, since, until):
            if entry.fields.get("id") in decisions:
                signal = _parsed(entry, found, lambda each: SignalMessage.parse(each.fields).to_domain())
                if signal is not None:
                    found.copied.append(Copied(signal, decisions[signal.id]))
    async for entry in _range(bus, keys.reports(user), 0, None):
        ending = _parsed(entry, found, ending_of)
        if ending is not None:
            found.endings.append(ending)
    found.before = await _before(bus, user, since, found)
    return found


async def _before(bus: Bus, user: str, since: int, found: _Records) -> list[Copied]:
    """Return the latest signals before the period that were decided for the user, newest first."""
    copied: list[Copied] = []
    last = f"({since}"
    for _ in range(_LOOK_BACK):
        signals = read_entries(keys.SIGNALS, await bus.do("XREVRANGE", keys.SIGNALS, last, "-", "COUNT", PAGE))
        if not signals:
            break
        first = signals[-1].id
        orders = read_entries(keys.orders(user), await bus.do("XRANGE", keys.orders(user), first, last, "COUNT", PAGE))
        decided = {entry.fields.get("signal_id"): entry for entry in orders}
        for entry in signals:
            order = decided.get(entry.fields.get("id"))
            signal = None if order is None else _parsed(entry, found, lambda each: SignalMessage.parse(each.fields))
            decision = None if order is None else _parsed(order, found, lambda each: OrderMessage.parse(each.fields))
            if signal is not None and decision is not None and decision.code != ReasonCode.VENUE_NOT_FOLLOWED:
                copied.append(Copied(signal.to_domain(), decision.to_domain()))
        if len(signals) < PAGE:
            break
        last = f"({first}"
    return copied


async def _material(
    bus: Bus, user: str, account: Account, records: _Records, since: int, until: int, *, running: bool
) -> Material:
    venue, currency = account
    copied = [each for each in records.copied if _account_of(each) == account]
    before = [each for each in records.before if _account_of(each) == account]
    endings = [each for each in records.endings if _account_of_ending(each) in {account, None}]
    held = await _held(bus, user, account, endings, since)
    return Material(
        venue=venue,
        currency=currency,
        since=since,
        until=until,
        copied=copied,
        endings=[each for each in endings if since <= each.at < until],
        openings=_openings(copied, before, held),
        closing_prices=await _prices_now(bus, venue) if running else {},
        lots={symbol: each.lot_step for symbol, each in (await Records(bus).instruments(venue)).items()},
        scale_before=_scale_before(before),
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


async def _held(bus: Bus, user: str, account: Account, endings: list[Ending], since: int) -> dict[Holding, Decimal]:
    """Return what the user held from copying when the period began: the sum of all trades before it.

    If the first of them have been removed, it is what all trades have left by now, less the trades since then.
    """
    (extent,) = await stream_extents(bus, [keys.reports(user)])
    found: dict[Holding, Decimal] = {}
    if extent.removed:
        for symbol, size in (await _held_now(bus, user, account[0])).items():
            if Holding.of(symbol).currency == account[1]:
                _add(found, symbol, size)
    for ending in endings:
        trade = ending.trade
        if trade is None or (ending.at >= since) is not bool(extent.removed):
            continue
        _add(found, trade.symbol, -trade.gained.amount if extent.removed else trade.gained.amount)
    return {key: size for key, size in found.items() if size}


async def _held_now(bus: Bus, user: str, venue: str) -> dict[Symbol, Decimal]:
    """Return what all trades of an account have left of each symbol, by the sums that it keeps; what cannot be read is left out.

    Sums that do not go back to the first trade say less than the positions do, which stand for them then.
    """
    written = pairs(await bus.do("HGETALL", keys.totals(user, venue)))
    if written.get(CONTENTS) != _EVERY_TRADE:
        positions = (await Records(bus).holdings(user, venue)).positions
        return {symbol: position.size.amount for symbol, position in positions.items()}
    found = {}
    for name, text in written.items():
        with suppress(ValueError):  # the other fields are no symbols
            found[Symbol.parse(name)] = read_totals(text).expected_size.amount
    return found


def _add(found: dict[Holding, Decimal], symbol: Symbol, size: Decimal) -> None:
    key = Holding.of(symbol)
    with exactly():
        found[key] = found.get(key, ZERO) + size


async def _prices_now(bus: Bus, venue: str) -> dict[Holding, Decimal]:
    return {Holding.of(symbol): price.amount for symbol, (price, _) in (await Records(bus).prices(venue)).items()}


def _scale_before(before: list[Copied]) -> Scale | None:
    return next((scale for each in before if (scale := first_scale([each])) is not None), None)


def ending_of(entry: Entry) -> Ending:
    """Parse a report. Raises MalformedMessageError."""
    report = ReportMessage.parse(entry.fields)
    return Ending(report.order_id, report.signal_id, report.outcome, report.code, report.settled_at, trade_of(entry))


def _accounts(records: _Records) -> set[Account]:
    traded = (account for each in records.endings if (account := _account_of_ending(each)) is not None)
    return {*(_account_of(each) for each in [*records.copied, *records.before]), *traded}


def _account_of(each: Copied) -> Account:
    return each.decision.venue, Holding.of(each.signal.symbol).currency


def _account_of_ending(ending: Ending) -> Account | None:
    return (ending.trade.venue, Holding.of(ending.trade.symbol).currency) if ending.trade else None


async def _range(bus: Bus, stream: str, since: int, until: int | None) -> AsyncIterator[Entry]:
    """Iterate over the entries of a stream from `since` to before `until` (epoch ms; None: to its end)."""
    start, end = str(since), "+" if until is None else f"({until}"
    while True:
        page = read_entries(stream, await bus.do("XRANGE", stream, start, end, "COUNT", PAGE))
        for entry in page:
            yield entry
        if len(page) < PAGE:
            return
        start = f"({page[-1].id}"


def _parsed(entry: Entry, found: _Records, parse: Callable[[Entry], T]) -> T | None:
    try:
        return parse(entry)
    except (MalformedMessageError, ArithmeticError):
        found.unreadable += 1
        return None
