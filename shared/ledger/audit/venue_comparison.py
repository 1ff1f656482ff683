"""Compares the venue's journal with our reports: no order without a decision, and no reported fill that the venue does not have.

An exit may take several orders at the venue, one per leg, and so may a mirrored order; its report holds their sum. A copied
entry has one order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

from shared.domain.mirror import MirrorAction
from shared.domain.order import OrderState, leg_id
from shared.domain.reason import ReasonCode
from shared.domain.values.money import ZERO, plain
from shared.ledger.audit.facts import AuditTime, ReportEntry, UserFacts, order_trimmed
from shared.ledger.audit.findings import AuditTally, FindingKind
from shared.ledger.audit.journal import JournalOrder

TRADED: Final = frozenset({OrderState.FILLED.value, OrderState.PARTIAL.value})
_MARGIN_MS: Final = 1_000
"""The largest difference between this clock and the executor's."""


def compare_with_venue(book: UserFacts, venue: Sequence[JournalOrder], moment: AuditTime, tally: AuditTally) -> None:
    """Compare one user's decisions and outcomes with their rows of the venue's journal, which was read before them.

    The journal has no orders of the other kind of money: those before `book.since` are left out on both sides.
    """
    reports = {each.order_id: each for each in (*book.reported, *book.late) if each.settled_at >= book.since}
    venue = [row for row in venue if row.accepted_at >= book.since]
    accepted: dict[str, Decimal] = {}
    for row in venue:
        if row.client_order_id:  # without a client id it was placed by hand: not ours
            tally.venue_orders += 1
            accepted[row.client_order_id] = accepted.get(row.client_order_id, ZERO) + row.filled
    owners = _owners(book, accepted)
    for row in venue:
        if row.client_order_id and row.client_order_id not in owners:
            _report_unknown_order(book, row, reports.get(row.client_order_id), moment, tally)
    filled: dict[str, Decimal] = {}
    for client_id, amount in accepted.items():
        order = owners.get(client_id, client_id)
        filled[order] = filled.get(order, ZERO) + amount
    for report in reports.values():
        _compare(book.user, report, filled.get(report.order_id), moment, tally)


def _owners(book: UserFacts, accepted: Mapping[str, Decimal]) -> dict[str, str]:
    """Return the order of each client id that belongs to a decision or to a user's own exit."""
    exits = {each.order_id for each in book.decided if each.copy and each.exit}
    exits.update(each.order_id for each in (*book.reported, *book.late) if not each.signal_id)
    exits.update(each.order_id for each in book.mirrored if each.copy and each.action == MirrorAction.PLACE)
    recalled = {each.order_id for each in (*book.reported, *book.late) if each.code == ReasonCode.RECALLED}
    owners = {each.order_id: each.order_id for each in book.decided if each.copy or each.order_id in recalled}
    for order in exits:
        owners[order] = order
        if order in accepted:
            owners.update(dict.fromkeys(_later_legs(order, accepted), order))
    return owners


def _later_legs(order: str, accepted: Mapping[str, Decimal]) -> list[str]:
    """Return the client ids of an exit's later legs; a leg begins only after the venue has accepted the one before."""
    found: list[str] = []
    with suppress(ValueError):  # an order id that is not a UUID has no legs
        while (client_id := leg_id(order, len(found) + 2)) in accepted:
            found.append(client_id)
    return found


def _report_unknown_order(
    book: UserFacts, row: JournalOrder, report: ReportEntry | None, moment: AuditTime, tally: AuditTally
) -> None:
    if report is None and moment.young(row.accepted_at):
        tally.open += 1  # an own exit is reported only when it ends
    elif not (report and order_trimmed(book, report)):
        detail = f"{row.venue} order {row.order_id}, filled {plain(row.filled)}"
        tally.find(FindingKind.UNDECIDED_AT_VENUE, book.user, row.client_order_id, detail)


def _compare(user: str, report: ReportEntry, there: Decimal | None, moment: AuditTime, tally: AuditTally) -> None:
    traded = report.outcome in TRADED
    if (there is not None or not traded) and (there or ZERO) == (report.filled if traded else ZERO):
        return
    if report.settled_at >= moment.now - _MARGIN_MS:
        tally.open += 1  # it ended after the journal was read
    elif there is None:
        detail = f"{report.outcome} {plain(report.filled)}, the venue has no such order"
        tally.find(FindingKind.MISSING_AT_VENUE, user, report.order_id, detail)
    else:
        detail = f"{report.outcome} {plain(report.filled)}, the venue has {plain(there)}"
        tally.find(FindingKind.FILL_DISAGREES, user, report.order_id, detail)
