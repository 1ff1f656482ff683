"""Audits mirrored orders: every change of a master's order reached those who mirror it, and each of their orders has one outcome.

An order may rest for days, so one without an outcome is open while its record says that it rests and the master's has not ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.bus.flow.streams import entry_ms
from shared.domain.mirror import MirrorAction
from shared.domain.order import OrderState
from shared.ledger.audit.facts import AuditTime, MasterOrderFacts, MirrorEntry, UserFacts
from shared.ledger.audit.findings import AuditTally, FindingKind


def check_mirrored(book: UserFacts, masters: MasterOrderFacts, moment: AuditTime, tally: AuditTally) -> None:
    """Find mirrored orders without an outcome, and changes of the master's orders that did not reach the user."""
    by_order: dict[str, list[MirrorEntry]] = {}
    for each in book.mirrored:
        by_order.setdefault(each.master_order_id, []).append(each)
    reported = {each.order_id for each in (*book.reported, *book.late)}
    for each in book.mirrored:
        if each.action != MirrorAction.PLACE:
            continue
        tally.mirrored += each.copy
        if each.entry_id in book.buried:
            continue
        if each.entry_id in book.dropped:
            tally.dropped += 1
            tally.outcomes[OrderState.FAILED] += 1
            continue
        changes = by_order[each.master_order_id]
        if each.copy:
            _check_changes(book, each, changes, masters.versions, moment, tally)
        if each.order_id not in reported and not book.reports_extent.trimmed(each.entry_id):
            _check_open(book, each, changes, moment, tally)


def _check_changes(
    book: UserFacts,
    placed: MirrorEntry,
    changes: Sequence[MirrorEntry],
    versions: Mapping[str, Sequence[tuple[str, int]]],
    moment: AuditTime,
    tally: AuditTally,
) -> None:
    known = {each.version for each in changes}
    for entry_id, version in versions.get(placed.master_order_id, ()):
        if version <= placed.version or version in known or book.mirrored_extent.trimmed(entry_id):
            continue
        if moment.young(entry_ms(entry_id)):
            tally.open += 1
        else:
            detail = (
                f"version {version} of the master's order {placed.master_order_id}, {moment.age(entry_ms(entry_id))}"
            )
            tally.find(FindingKind.MISSING_DECISION, book.user, entry_id, detail)


def _check_open(
    book: UserFacts, placed: MirrorEntry, changes: Sequence[MirrorEntry], moment: AuditTime, tally: AuditTally
) -> None:
    ended = [each for each in changes if each.action == MirrorAction.CANCEL]
    since = max(entry_ms(each.entry_id) for each in (placed, *ended))
    rests = placed.copy and not ended and placed.order_id in book.resting
    if rests or moment.young(max(since, placed.emitted_at)):
        tally.open += 1
        return
    what = "the master's order has ended" if ended else "it is not among those that rest"
    detail = f"mirrored order of {placed.master_order_id}: {what}, {moment.age(since)}"
    tally.find(FindingKind.MISSING_OUTCOME, book.user, placed.order_id, detail)
