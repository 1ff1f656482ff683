"""A user's decisions with their outcomes, newest first, and the exits that were the user's own.

The work of a page is bounded: a page of decisions, the reports from the oldest of them on, and their signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.api.web.tape.rows import CopyRow, copy_row
from shared.bus.connection import Bus
from shared.bus.flow.joined_ids import is_joined
from shared.bus.flow.streams import Entry, entry_ms, entry_order, read_entries
from shared.contracts import keys
from shared.ledger.signal_views import instant
from shared.ledger.why import UserCopy, find_signal

_REPORTS: Final = 500
_LATEST: Final = 200


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision or own exit. `signal` is the entry id of its signal, empty for an own exit."""

    id: str
    """The order's id."""
    at: int | None
    signal: str
    symbol: str
    side: str
    copy: CopyRow
    own: bool = False


async def read_decisions(bus: Bus, user: str, count: int, before: str = "") -> tuple[list[DecisionRow], str]:
    """Read a user's decisions before an entry id, newest first, and the entry id before which the next page begins.

    That id is empty if there are no more. Raises BusUnavailable.
    """
    last = f"({before}" if before else "+"
    stream = keys.orders(user)
    orders = read_entries(stream, await bus.do("XREVRANGE", stream, last, "-", "COUNT", count))
    reports = await _reports_since(bus, user, orders, before)
    rows = await _rows(bus, user, orders, reports)
    return rows, orders[-1].id if len(orders) == count else ""


async def read_outcomes(bus: Bus, user: str, reports: Sequence[Entry]) -> list[DecisionRow]:
    """Return the rows of these reports, oldest first, with their decisions. Raises BusUnavailable."""
    stream = keys.orders(user)
    rows = await bus.do("XREVRANGE", stream, "+", "-", "COUNT", _LATEST)
    wanted = {entry.fields.get("order_id", "") for entry in reports}
    orders = [entry for entry in read_entries(stream, rows) if entry.fields.get("id") in wanted]
    return (await _rows(bus, user, orders, reports))[::-1]


async def _reports_since(bus: Bus, user: str, orders: Sequence[Entry], before: str) -> list[Entry]:
    stream = keys.reports(user)
    if not orders:
        rows = [] if before else await bus.do("XREVRANGE", stream, "+", "-", "COUNT", _LATEST)
        return read_entries(stream, rows)[::-1]
    start = str(entry_ms(orders[-1].id))
    return read_entries(stream, await bus.do("XRANGE", stream, start, "+", "COUNT", _REPORTS))


async def _rows(bus: Bus, user: str, orders: Sequence[Entry], reports: Sequence[Entry]) -> list[DecisionRow]:
    """Join decisions and reports; a report without a signal is an own exit."""
    signals = await _signals_of(bus, orders)
    ended = {entry.fields.get("order_id", ""): entry for entry in reports}
    found: list[tuple[tuple[int, int], DecisionRow]] = []
    for order in orders:
        name = order.fields.get("id", "")
        report = ended.get(name)
        copied = UserCopy(user, order.fields, report.fields if report else {})
        found.append((entry_order(order.id), _row(name, order, copied, signals.get(order.id))))
    span = (found[-1][0], found[0][0]) if found else None
    for report in reports:
        if report.fields.get("signal_id"):
            continue
        at = entry_order(report.id)
        if span is None or at >= span[0]:
            copied = UserCopy(user, {}, report.fields)
            found.append((at, replace(_row(report.fields.get("order_id", ""), report, copied, None), own=True)))
    return [row for _, row in sorted(found, key=lambda each: each[0], reverse=True)]


async def _signals_of(bus: Bus, orders: Sequence[Entry]) -> Mapping[str, Entry]:
    """Return the signals of decisions, by the decision's entry id; who joined a position later has another id."""
    answers = await bus.do_all([("XRANGE", keys.SIGNALS, entry.id, entry.id) for entry in orders])
    found = {}
    for order, rows in zip(orders, answers, strict=True):
        entries = read_entries(keys.SIGNALS, rows if isinstance(rows, list) else [])
        if entries:
            found[order.id] = entries[0]
        elif is_joined(order.id) and (signal := await find_signal(bus, order.fields.get("signal_id", ""))):
            found[order.id] = signal
    return found


def _row(name: str, entry: Entry, copied: UserCopy, signal: Entry | None) -> DecisionRow:
    fields = entry.fields
    return DecisionRow(
        id=name,
        at=instant(fields, "signal_at") or instant(fields, "emitted_at") or instant(fields, "settled_at"),
        signal=signal.id if signal else "",
        symbol=fields.get("symbol", "?"),
        side=fields.get("side", "?"),
        copy=copy_row(copied, signal.fields if signal else {}),
    )
