"""Reads a user's recorded decisions of a period, with the signals, settings and reports that belong to them.

It reads only what that period contains, in pages, and never more than `most` decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, read_entries
from shared.bus.users.settings_versions import read_settings_versions
from shared.contracts import keys
from shared.contracts.decision_inputs import INPUTS, read_inputs, read_settings_name
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk_state import DAY_MS
from shared.domain.signal import Signal
from shared.what_if.recorded_decision import Gap, RecordedDecision, UnrepeatableDecision

MOST: Final = 20_000
"""Decisions that are read at most, if the caller says nothing else."""
_PAGE: Final = 500
_REPORTS_PER_DECISION: Final = 3
"""A decision has one report; the rest are the user's own exits and mirrored orders."""

AnyDecision = RecordedDecision | UnrepeatableDecision


@dataclass(frozen=True, slots=True)
class History:
    """The decisions of a period, oldest first, and all reports since the beginning of its first UTC day.

    `cut` says that there were more decisions than were asked for: then these are the latest.
    """

    decisions: Sequence[AnyDecision]
    reports: Sequence[ReportMessage]
    cut: bool = False
    end: int | None = None
    """Epoch ms; None: until now."""


async def read_history(bus: Bus, user: str, start: int, end: int | None = None, most: int = MOST) -> History:
    """Read the decisions from `start` until before `end` (epoch ms; None: until now). Raises BusUnavailable."""
    entries, cut = await _read_latest(bus, keys.orders(user), start, end, most)
    reports = await _read_reports(bus, user, entries)
    signals = await _read_signals(bus, entries)
    messages = [_parsed(entry) for entry in entries]
    named = {name for entry in entries if (name := _settings_name(entry))}
    versions = await read_settings_versions(bus, user, named)
    by_order = {report.order_id: report for report in reports}
    decisions = [
        _decision(entry, message, signals.get(entry.id), versions, by_order.get(message.id) if message else None)
        for entry, message in zip(entries, messages, strict=True)
    ]
    return History(decisions, reports, cut, end)


async def _read_latest(bus: Bus, stream: str, start: int, end: int | None, most: int) -> tuple[list[Entry], bool]:
    last = "+" if end is None else f"({end}-0"
    found: list[Entry] = []
    while len(found) <= most:
        rows = await bus.do("XREVRANGE", stream, last, f"{start}-0", "COUNT", min(_PAGE, most + 1 - len(found)))
        page = read_entries(stream, rows)
        if not page:
            break
        found += page
        last = f"({page[-1].id}"
    return found[:most][::-1], len(found) > most


async def _read_reports(bus: Bus, user: str, entries: Sequence[Entry]) -> list[ReportMessage]:
    """Read the reports since the UTC day of the first decision: the trades of that day count towards a limit."""
    if not entries:
        return []
    stream, found, last = keys.reports(user), [], ""
    begin = int(entries[0].id.partition("-")[0]) // DAY_MS * DAY_MS
    for _ in range(len(entries) * _REPORTS_PER_DECISION // _PAGE + 4):
        rows = await bus.do("XRANGE", stream, f"({last}" if last else f"{begin}-0", "+", "COUNT", _PAGE)
        page = read_entries(stream, rows)
        if not page:
            break
        last = page[-1].id
        for entry in page:
            try:
                found.append(ReportMessage.parse(entry.fields))
            except MalformedMessageError:
                continue  # `audit` reports it; its fill is missing in the estimate
    return found


async def _read_signals(bus: Bus, entries: Sequence[Entry]) -> dict[str, Signal]:
    """Read the signals by the id of their entry, which is that of each decision on them."""
    found: dict[str, Signal] = {}
    for first in range(0, len(entries), _PAGE):
        page = entries[first : first + _PAGE]
        answers = await bus.do_all([("XRANGE", keys.SIGNALS, entry.id, entry.id) for entry in page])
        for entry, answer in zip(page, answers, strict=True):
            if (signal := _signal(answer)) is not None:
                found[entry.id] = signal
    return found


def _signal(answer: Any) -> Signal | None:
    rows = read_entries(keys.SIGNALS, answer) if isinstance(answer, (list, tuple)) else []
    try:
        return SignalMessage.parse(rows[0].fields).to_domain() if rows else None
    except MalformedMessageError:
        return None


def _parsed(entry: Entry) -> OrderMessage | None:
    try:
        return OrderMessage.parse(entry.fields)
    except MalformedMessageError:
        return None


def _settings_name(entry: Entry) -> str:
    try:
        return read_settings_name(entry.fields.get(INPUTS, ""))
    except MalformedMessageError:
        return ""


def _decision(
    entry: Entry,
    message: OrderMessage | None,
    signal: Signal | None,
    versions: Mapping[str, UserPolicy],
    report: ReportMessage | None,
) -> AnyDecision:
    def without(gap: Gap) -> UnrepeatableDecision:
        return UnrepeatableDecision(entry.id, gap, message, report)

    if message is None:
        return without(Gap.UNREADABLE)
    if not (text := entry.fields.get(INPUTS)):
        return without(Gap.NO_INPUTS)
    if signal is None or signal.id != message.signal_id:
        return without(Gap.NO_SIGNAL)
    if not (name := _settings_name(entry)):
        return without(Gap.UNREADABLE)
    settings = versions.get(name)
    if settings is None:
        return without(Gap.NO_SETTINGS)
    try:
        inputs = read_inputs(text, message, settings.symbols.mapped(signal.symbol))
    except MalformedMessageError:
        return without(Gap.UNREADABLE)
    return RecordedDecision(entry.id, entry.fields, message, signal, settings, inputs, report)
