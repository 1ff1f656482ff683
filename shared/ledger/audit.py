"""The completeness audit: every (signal, active user) has exactly one decision and exactly one outcome, and the venue agrees.

Pure: it judges what was read. The order of reading (journal, signals, reports, orders, reports that came since) is part of its
contract, because the system goes on working meanwhile: what is younger than the grace is open, never a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from shared.bus.streams import entry_ms
from shared.domain.money import ZERO, plain
from shared.domain.order import OrderState
from shared.ledger.books import Moment, Reported, SignalBook, UserBook
from shared.ledger.findings import FindingKind, Tally
from shared.ledger.journal import VenueOrder

_TRADED: Final = frozenset({OrderState.FILLED.value, OrderState.PARTIAL.value})
_JOURNAL_MARGIN_MS: Final = 1_000
"""How far this clock and the executor's may be apart."""
_CLOCKS_MS: Final = 60_000
"""How far the venue's clock and Redis's may be apart."""


def audit_signals(signals: SignalBook, moment: Moment) -> Tally:
    """Find signals that nobody can read and that are not dead letters either."""
    tally = Tally()
    for entry_id, why in signals.unreadable.items():
        if entry_id in signals.buried:
            continue
        if moment.young(entry_ms(entry_id)):
            tally.open += 1
        else:
            tally.find(FindingKind.UNREADABLE_SIGNAL, "", entry_id, why)
    return tally


def audit_user(signals: SignalBook, book: UserBook, venue: Sequence[VenueOrder] | None, moment: Moment) -> Tally:
    """Judge one user; `venue` are the rows of the venue's journal that are his, None where there is no journal."""
    tally = Tally()
    _due_decisions(signals, book, moment, tally)
    _given_decisions(signals, book, moment, tally)
    _outcomes(book, moment, tally)
    if venue is not None:
        _venue(book, venue, moment, tally)
    return tally


def _due_decisions(signals: SignalBook, book: UserBook, moment: Moment, tally: Tally) -> None:
    if book.following is None:
        return
    decided = {each.entry_id for each in book.decided}
    for entry_id, signal_id in signals.ids.items():
        if entry_id in decided or not book.following.due(entry_id) or book.orders_kept.trimmed(entry_id):
            continue
        if moment.young(entry_ms(entry_id)):
            tally.open += 1
        else:
            detail = f"signal {signal_id}, {moment.age(entry_ms(entry_id))}"
            tally.find(FindingKind.MISSING_DECISION, book.user, entry_id, detail)


def _given_decisions(signals: SignalBook, book: UserBook, moment: Moment, tally: Tally) -> None:
    reported = {each.order_id for each in (*book.reported, *book.late)}
    for each in book.decided:
        tally.decisions += 1
        tally.orders += each.copy
        if each.entry_id in book.buried:
            continue  # the dead letter is the finding
        signal_id = signals.ids.get(each.entry_id)
        if signal_id is None:
            if not signals.kept.trimmed(each.entry_id) and not moment.young(entry_ms(each.entry_id)):
                detail = f"no signal has the entry id {each.entry_id}"
                tally.find(FindingKind.ORDER_WITHOUT_SIGNAL, book.user, each.order_id, detail)
        elif signal_id != each.signal_id:
            detail = f"it names signal {each.signal_id}, the entry {each.entry_id} is signal {signal_id}"
            tally.find(FindingKind.ORDER_WITHOUT_SIGNAL, book.user, each.order_id, detail)
        if each.order_id in reported or book.reports_kept.trimmed(each.entry_id):
            continue
        since = max(entry_ms(each.entry_id), each.emitted_at)
        if moment.young(since):
            tally.open += 1
        else:
            detail = f"{'copy' if each.copy else 'skip'} of signal {each.signal_id}, {moment.age(since)}"
            tally.find(FindingKind.MISSING_OUTCOME, book.user, each.order_id, detail)


def _outcomes(book: UserBook, moment: Moment, tally: Tally) -> None:
    decided = {each.order_id: each for each in book.decided}
    times = Counter(each.order_id for each in (*book.reported, *book.late))
    for order_id, count in times.items():
        if count > 1:
            tally.find(FindingKind.DOUBLE_OUTCOME, book.user, order_id, f"{count} reports")
    for each in book.reported:
        tally.outcomes[each.outcome] += 1
        decision = decided.get(each.order_id)
        if not each.signal_id:
            tally.own_exits += 1
        elif decision is None:
            if not _order_trimmed(book, each):
                detail = f"{each.outcome}, signal {each.signal_id}"
                tally.find(FindingKind.OUTCOME_WITHOUT_DECISION, book.user, each.order_id, detail)
        elif not decision.copy and each.outcome in _TRADED:
            detail = f"decided to skip, yet {each.outcome}"
            tally.find(FindingKind.OUTCOME_AGAINST_DECISION, book.user, each.order_id, detail)
    # Those that came meanwhile may belong to decisions that did too, so they are only counted.
    tally.outcomes.update(each.outcome for each in book.late)
    tally.own_exits += sum(not each.signal_id for each in book.late)


def _venue(book: UserBook, venue: Sequence[VenueOrder], moment: Moment, tally: Tally) -> None:
    copies = {each.order_id for each in book.decided if each.copy}
    reports = {each.order_id: each for each in (*book.reported, *book.late)}
    accepted: dict[str, VenueOrder] = {}
    for row in venue:
        if not row.client_order_id:
            continue  # placed by hand: not ours
        tally.venue_orders += 1
        accepted[row.client_order_id] = row
        report = reports.get(row.client_order_id)
        own = report is not None and not report.signal_id
        if row.client_order_id not in copies and not own:
            if report is None and moment.young(row.accepted_at):
                tally.open += 1  # an own exit is reported only when it ends
            elif not (report and _order_trimmed(book, report)):
                detail = f"{row.venue} order {row.order_id}, filled {plain(row.filled)}"
                tally.find(FindingKind.UNDECIDED_AT_VENUE, book.user, row.client_order_id, detail)
    for report in reports.values():
        _compare(book.user, report, accepted.get(report.order_id), moment, tally)


def _order_trimmed(book: UserBook, report: Reported) -> bool:
    """Say whether the order of a report can have been trimmed; a report knows its signal's instant, not its entry."""
    return book.orders_kept.trimmed(f"{max(report.signal_at - _CLOCKS_MS, 0)}-0")


def _compare(user: str, report: Reported, row: VenueOrder | None, moment: Moment, tally: Tally) -> None:
    there = ZERO if row is None else row.filled
    traded = report.outcome in _TRADED
    if (row is not None or not traded) and there == (report.filled if traded else ZERO):
        return
    if report.settled_at >= moment.now - _JOURNAL_MARGIN_MS:
        tally.open += 1  # it ended after the journal was read
    elif row is None:
        detail = f"{report.outcome} {plain(report.filled)}, the venue has no such order"
        tally.find(FindingKind.MISSING_AT_VENUE, user, report.order_id, detail)
    else:
        detail = f"{report.outcome} {plain(report.filled)}, the venue has {plain(there)}"
        tally.find(FindingKind.FILL_DISAGREES, user, report.order_id, detail)
