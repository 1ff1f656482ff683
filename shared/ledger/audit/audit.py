"""The completeness audit: every (signal, active user) has exactly one decision and exactly one outcome, and the venue agrees.

Pure: it checks what was read. The order of reading (journal, signals, reports, orders, later reports) is part of its contract,
because the system keeps working meanwhile: what is younger than the grace period is open, never a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from shared.bus.flow.joined_ids import is_joined
from shared.bus.flow.streams import entry_ms
from shared.domain.mirror import MirrorAction
from shared.domain.order import OrderState
from shared.domain.reason import ReasonCode
from shared.ledger.audit.facts import (
    AuditTime,
    DecisionEntry,
    MasterOrderFacts,
    SignalFacts,
    UserFacts,
    order_trimmed,
)
from shared.ledger.audit.findings import AuditTally, FindingKind
from shared.ledger.audit.journal import JournalOrder
from shared.ledger.audit.mirrored_orders import check_mirrored
from shared.ledger.audit.venue_comparison import TRADED, compare_with_venue


def audit_signals(signals: SignalFacts, moment: AuditTime) -> AuditTally:
    """Find unreadable signals that are not dead letters."""
    tally = AuditTally()
    for entry_id, why in signals.unreadable.items():
        if entry_id in signals.buried or entry_id in signals.dropped:
            continue
        if moment.young(entry_ms(entry_id)):
            tally.open += 1
        else:
            tally.find(FindingKind.UNREADABLE_SIGNAL, "", entry_id, why)
    return tally


def audit_user(
    signals: SignalFacts,
    book: UserFacts,
    venue: Sequence[JournalOrder] | None,
    moment: AuditTime,
    masters: MasterOrderFacts | None = None,
) -> AuditTally:
    """Audit one user; `venue` holds their rows of the venue's journal, None if there is no journal."""
    tally = AuditTally()
    _find_missing_decisions(signals, book, moment, tally)
    _check_decisions(signals, book, moment, tally)
    _check_outcomes(book, moment, tally)
    check_mirrored(book, masters or MasterOrderFacts(), moment, tally)
    if venue is not None:
        compare_with_venue(book, venue, moment, tally)
    return tally


def _find_missing_decisions(signals: SignalFacts, book: UserFacts, moment: AuditTime, tally: AuditTally) -> None:
    if book.following is None:
        return
    decided = {each.entry_id for each in book.decided}
    for entry_id, signal_id in signals.ids.items():
        if entry_id in decided or not book.following.due(entry_id) or book.orders_extent.trimmed(entry_id):
            continue
        if entry_id in signals.dropped:
            continue
        if moment.young(entry_ms(entry_id)):
            tally.open += 1
        else:
            detail = f"signal {signal_id}, {moment.age(entry_ms(entry_id))}"
            tally.find(FindingKind.MISSING_DECISION, book.user, entry_id, detail)


def _check_decisions(signals: SignalFacts, book: UserFacts, moment: AuditTime, tally: AuditTally) -> None:
    reported = {each.order_id for each in (*book.reported, *book.late)}
    for each in book.decided:
        tally.decisions += 1
        tally.orders += each.copy
        if each.entry_id in book.buried:
            continue  # the dead letter is the finding
        wrong = (
            _wrongly_joined(signals, book, each) if is_joined(each.entry_id) else _without_signal(signals, each, moment)
        )
        if wrong:
            tally.find(FindingKind.ORDER_WITHOUT_SIGNAL, book.user, each.order_id, wrong)
        if each.order_id in reported or book.reports_extent.trimmed(each.entry_id):
            continue
        if each.entry_id in book.dropped:
            tally.dropped += 1
            tally.outcomes[OrderState.FAILED] += 1
            continue
        since = max(entry_ms(each.entry_id), each.emitted_at)
        if moment.young(since):
            tally.open += 1
        else:
            detail = f"{'copy' if each.copy else 'skip'} of signal {each.signal_id}, {moment.age(since)}"
            tally.find(FindingKind.MISSING_OUTCOME, book.user, each.order_id, detail)


def _without_signal(signals: SignalFacts, each: DecisionEntry, moment: AuditTime) -> str:
    """Return what is wrong if a decision's entry id is not that of the signal that it names."""
    signal_id = signals.ids.get(each.entry_id)
    if signal_id is None:
        gone = signals.extent.trimmed(each.entry_id) or moment.young(entry_ms(each.entry_id))
        return "" if gone else f"no signal has the entry id {each.entry_id}"
    if signal_id != each.signal_id:
        return f"it names signal {each.signal_id}, the entry {each.entry_id} is signal {signal_id}"
    return ""


def _wrongly_joined(signals: SignalFacts, book: UserFacts, each: DecisionEntry) -> str:
    """Return what is wrong unless a joined decision is the only one on a signal that was not due to this user when it came.

    The signal is older than the decision, so it may have been trimmed already.
    """
    at = signals.entries.get(each.signal_id)
    if at is None:
        return "" if signals.extent.removed else f"joined by signal {each.signal_id}, which does not exist"
    if book.following is not None and book.following.due(at):
        return f"joined by signal {each.signal_id}, which was due to the user when it came"
    if sum(other.order_id == each.order_id for other in book.decided) > 1:
        return f"signal {each.signal_id} was decided twice"
    return ""


def _check_outcomes(book: UserFacts, moment: AuditTime, tally: AuditTally) -> None:
    decided = {each.order_id: each.copy for each in book.decided}
    decided |= {each.order_id: each.copy for each in book.mirrored if each.action == MirrorAction.PLACE}
    times = Counter(each.order_id for each in (*book.reported, *book.late))
    for order_id, count in times.items():
        if count > 1:
            tally.find(FindingKind.DOUBLE_OUTCOME, book.user, order_id, f"{count} reports")
    for each in book.reported:
        tally.outcomes[each.outcome] += 1
        copied = decided.get(each.order_id)
        if not each.signal_id:
            tally.own_exits += 1
        elif copied is None:
            if not order_trimmed(book, each):
                detail = f"{each.outcome}, signal {each.signal_id}"
                tally.find(FindingKind.OUTCOME_WITHOUT_DECISION, book.user, each.order_id, detail)
        elif not copied and each.outcome in TRADED and each.code != ReasonCode.RECALLED:
            detail = f"decided to skip, but {each.outcome}"
            tally.find(FindingKind.OUTCOME_AGAINST_DECISION, book.user, each.order_id, detail)
    # Late reports may belong to decisions that came after the read, so they are only counted.
    tally.outcomes.update(each.outcome for each in book.late)
    tally.own_exits += sum(not each.signal_id for each in book.late)
