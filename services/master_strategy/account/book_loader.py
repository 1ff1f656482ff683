"""Reads the master's book from Redis at the start of a session: the signals, the recorded positions and the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.account.own_positions import OwnPositions, from_reports
from services.master_strategy.account.renamed import own_renamed, signals_renamed
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import read_entries
from shared.bus.master.master_account import (
    KEPT_MS,
    MasterRecords,
    read_all_uncopied,
    read_own_positions,
    read_positions,
)
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import ReportMessage, SignalMessage
from shared.domain.fault import FaultKind, Faults
from shared.domain.rename import NO_RENAMES, Renames
from shared.domain.signal import Signal

_TAIL: Final = 5_000
"""Signals that the book is read from: weeks of a busy strategy; the positions hash covers what is older."""

_log = structlog.get_logger(__name__)


async def open_book(
    master: MasterRecords,
    signals: SignalLog,
    venue: str,
    *,
    faults: Faults,
    now: int,
    names: Renames = NO_RENAMES,
) -> MasterBook:
    """Return the book from the stream's tail and the records, under the names in force; reports what cannot be read."""
    emitted: list[Signal] = []
    for entry in reversed(await signals.latest(_TAIL)):
        try:
            emitted.append(SignalMessage.parse(entry.fields).to_domain())
        except MalformedMessageError as error:
            faults.count(FaultKind.STREAM)
            _log.warning("an entry of the signal stream cannot be read", entry_id=entry.id, error=str(error))
    owner = master.owner
    emitted = signals_renamed(names, venue, emitted)
    recorded, unreadable = await read_positions(master.bus, keys.positions(owner, venue))
    _report_unreadable(keys.positions(owner, venue), unreadable, faults)
    mine, unreadable = await read_own_positions(master.bus, venue, owner)
    _report_unreadable(keys.strategy(owner, venue), unreadable, faults)
    own = OwnPositions(mine)
    if not mine:  # never recorded: derive it from the reports of the strategies' orders
        reports = await _reports(master, venue, faults)
        reported = from_reports(reports, await _strategies_of(master, reports))
        own = OwnPositions(own_renamed(names, reported.held()))
        await master.write(strategy=own.held())
    uncopied = await read_all_uncopied(master.bus, venue, owner)
    old = [row.id for row in uncopied.values() if row.at < now - KEPT_MS]
    await master.write(forget=old)
    kept = {row_id: row for row_id, row in uncopied.items() if row_id not in old}
    return MasterBook(venue, recorded, emitted, uncopied=kept, own=own, owner=owner)


def _report_unreadable(key: str, unreadable: Mapping[str, str], faults: Faults) -> None:
    before = [each for each in faults.standing if each.kind is FaultKind.RECORD and each.subject.startswith(f"{key} ")]
    for fault in before:  # reported by a former session; cleared unless it is reported again
        if fault.subject.removeprefix(f"{key} ") not in unreadable:
            faults.clear(FaultKind.RECORD, fault.subject)
    for name, why in unreadable.items():
        faults.report(FaultKind.RECORD, f"{key} {name}", why)
        _log.error("a position's record cannot be read", key=key, symbol=name, error=why)


async def _strategies_of(master: MasterRecords, reports: Sequence[ReportMessage]) -> dict[str, str]:
    """Read which strategy sent the orders of some reports, by the order's id, as far as their records still exist."""
    answers = await master.bus.do_all(
        [("HGET", keys.order(master.owner, each.order_id), "strategy") for each in reports]
    )
    known = zip(reports, answers, strict=True)
    return {report.order_id: answer for report, answer in known if isinstance(answer, str)}


async def _reports(master: MasterRecords, venue: str, faults: Faults) -> list[ReportMessage]:
    """Read the reports of the strategy's own orders at a venue, oldest first."""
    stream = keys.reports(master.owner)
    found = []
    for entry in reversed(read_entries(stream, await master.bus.do("XREVRANGE", stream, "+", "-", "COUNT", _TAIL))):
        try:
            report = ReportMessage.parse(entry.fields)
        except MalformedMessageError as error:
            faults.count(FaultKind.STREAM)
            _log.warning("a report of an own order cannot be read", entry_id=entry.id, error=str(error))
        else:
            found += [report] if report.venue == venue else []
    return found
