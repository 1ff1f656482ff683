"""Reads the input of the audit, in the order that the audit relies on, one user at a time.

The caller fetches the venue's journal before anything is read here: what the venue had accepted by then was decided earlier, so
its decision is found. Of a user, the reports are read first, then the orders, then later reports. The books of named masters are
read before and after all of these: only those that did not change meanwhile are compared.

The journal is the paper exchange's: it is compared only for users on paper money, and only since they are on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.bus.order.mirrors import read_mirrors
from shared.bus.state.records import pairs
from shared.bus.users.user_index import scan_users
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage
from shared.domain.account import is_master
from shared.domain.funds import Funds, FundsMark
from shared.domain.values.money import ZERO
from shared.domain.values.numerals import DECIMAL, whole
from shared.domain.values.venue import VENUES
from shared.ledger.audit.audit import audit_signals, audit_user
from shared.ledger.audit.book_sums import BookSums, HeldBooks, compare_books
from shared.ledger.audit.facts import (
    AuditTime,
    DecisionEntry,
    FollowingPeriod,
    MasterOrderFacts,
    MirrorEntry,
    ReportEntry,
    SignalFacts,
    UserFacts,
)
from shared.ledger.audit.findings import AuditReport, AuditTally, Finding, FindingKind
from shared.ledger.audit.held_books import read_held_books
from shared.ledger.audit.journal import JournalOrder, audit_acceptances
from shared.ledger.reading import entries, stream_extents


async def run_audit(
    bus: Bus,
    moment: AuditTime,
    journal: Mapping[str, Sequence[JournalOrder]] | None,
    invalid_nonces: int,
    unmarked: Funds = Funds.PAPER,
) -> AuditReport:
    """Audit everything in Redis, and compare it with the journal's orders by user unless that is None. Raises BusUnavailable.

    `unmarked` is the money of users without a funds mark.
    """
    tally = AuditTally()
    signals = await read_signals(bus)
    tally.add(audit_signals(signals, moment))
    masters = await read_master_orders(bus)
    users = await scan_users(bus)
    marks = await read_marks(bus, users)
    if journal is not None:
        journal = rename_journal_users(journal, marks)
    strangers = sorted(name for name in set(journal or ()) - set(users) if not is_master(name))
    followed, compared = [], []
    for user in (*users, *strangers):
        held = await read_held_books(bus, user)
        sums = BookSums(held.since)
        book = await read_user(bus, user, sums)
        if book.following is not None and not book.following.until:
            followed.append(user)
        mark = marks.get(user, FundsMark(unmarked if user in users else Funds.PAPER))
        rows = None if journal is None or mark.funds is not Funds.PAPER else journal.get(user, ())
        compared += [user] if rows is not None else []
        tally.add(audit_user(signals, replace(book, since=mark.since), rows, moment, masters))
        tally.add(_books_tally(book, sums, held, await read_held_books(bus, user)))
    tally.findings[:] = await _add_order_states(bus, tally.findings)
    tally.add(await _dead_letters(bus))
    if journal is not None:
        tally.add(audit_acceptances(journal))
    return AuditReport(
        signals=len(signals.ids),
        users=tuple(users),
        followed=tuple(followed),
        tally=tally,
        invalid_nonces=invalid_nonces,
        venue_checked=journal is not None,
        compared=tuple(compared),
    )


async def read_marks(bus: Bus, users: Sequence[str]) -> dict[str, FundsMark]:
    """Read the funds mark of each user; one who trades with both kinds of money counts as on paper money."""
    who = [(user, venue) for user in users for venue in VENUES]
    names = ("funds", "since", "renamed_to", "renamed_at")
    answers = await bus.do_all([("HMGET", keys.books(*each), *names) for each in who])
    found: dict[str, FundsMark] = {}
    for (user, _), answer in zip(who, answers, strict=True):
        funds, since, to, at = answer if isinstance(answer, list) else (None,) * len(names)
        if funds in set(Funds) and found.get(user, FundsMark(Funds.LIVE)).funds is not Funds.PAPER:
            found[user] = FundsMark(Funds(funds), _instant(since or ""), to or "", _instant(at or ""))
    return found


def rename_journal_users(
    journal: Mapping[str, Sequence[JournalOrder]], marks: Mapping[str, FundsMark]
) -> dict[str, list[JournalOrder]]:
    """Group the journal's rows by the name that the user had at acceptance; the venue's account keeps the first name."""
    found: dict[str, list[JournalOrder]] = {}
    for user, rows in journal.items():
        for row in rows:
            found.setdefault(_present_name(user, row.accepted_at, marks), []).append(row)
    return found


def _present_name(user: str, at: int, marks: Mapping[str, FundsMark]) -> str:
    seen = {user}
    while (mark := marks.get(user)) is not None and mark.renamed_to and at >= mark.renamed_at:
        user = mark.renamed_to
        if user in seen:
            break
        seen.add(user)
    return user


async def read_signals(bus: Bus) -> SignalFacts:
    """Read the signal stream; unreadable entries are kept apart with the error."""
    standing = (await stream_extents(bus, [keys.SIGNALS]))[0]
    ids: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    async for entry in entries(bus, keys.SIGNALS):
        try:
            ids[entry.id] = SignalMessage.parse(entry.fields).id
        except MalformedMessageError as error:
            unreadable[entry.id] = str(error)
    buried, dropped = await _buried(bus, keys.SIGNALS), await _dropped(bus, keys.SIGNALS)
    return SignalFacts(ids, unreadable, buried, dropped, standing)


async def read_master_orders(bus: Bus) -> MasterOrderFacts:
    """Read what was emitted of the master's resting orders; entries that cannot be read are dead letters of the engine's."""
    versions: dict[str, list[tuple[str, int]]] = {}
    async for entry in entries(bus, keys.MASTER_ORDERS):
        version = whole(entry.fields.get("version")) or 0
        versions.setdefault(entry.fields.get("master_order_id", ""), []).append((entry.id, version))
    return MasterOrderFacts(versions)


async def read_user(bus: Bus, user: str, sums: BookSums | None = None) -> UserFacts:
    """Read everything of one user; what orders and reports say of named masters' books is added to `sums`."""
    sums = sums or BookSums({})
    answers = await bus.do_all([("HGETALL", keys.following(user))])
    orders_extent, reports_extent, mirrored_extent = await stream_extents(
        bus, [keys.orders(user), keys.reports(user), keys.resting(user)]
    )
    resting: set[str] = set()
    for venue in VENUES:
        mirrors, _ = await read_mirrors(bus, user, venue)
        resting.update(mirror.decision.id for mirror in mirrors.values())
    last = ""
    reported = []
    async for entry in entries(bus, keys.reports(user)):
        reported.append(_reported(entry))
        sums.add_report(entry)
        last = entry.id
    decided = []
    async for entry in entries(bus, keys.orders(user)):
        decided.append(_decided(entry))
        sums.add_decision(entry)
    mirrored = [_mirrored(entry) async for entry in entries(bus, keys.resting(user))]
    late = []
    async for entry in entries(bus, keys.reports(user), last):
        late.append(_reported(entry))
        sums.add_report(entry)
    return UserFacts(
        user=user,
        following=read_following(pairs(answers[0])),
        decided=decided,
        reported=reported,
        late=late,
        buried=await _buried(bus, keys.orders(user)),
        dropped=await _dropped(bus, keys.orders(user)),
        orders_extent=orders_extent,
        reports_extent=reports_extent,
        mirrored=mirrored,
        resting=resting,
        mirrored_extent=mirrored_extent,
    )


def read_following(fields: Mapping[str, str]) -> FollowingPeriod | None:
    """Parse a following hash; None if the engine never wrote one."""
    if not fields:
        return None
    return FollowingPeriod(fields.get("from") or "0-0", fields.get("until", ""))


def _books_tally(book: UserFacts, sums: BookSums, held: HeldBooks, later: HeldBooks) -> AuditTally:
    """Compare the books of a user that were read before and after the reports."""
    tally = AuditTally()
    unread = {*book.buried, *book.dropped}
    reported = book.reports_extent.trimmed  # its report was removed: an order is kept no shorter than its report
    sums.drop({each.order_id for each in book.decided if each.entry_id in unread or reported(each.entry_id)})
    rows, unreadable = compare_books(book.user, sums, held, later, complete=not book.reports_extent.removed)
    for row in rows:
        tally.add_book(row)
    for key, why in unreadable.items():
        tally.find(FindingKind.BOOK_DISAGREES, book.user, f"{key.symbol} {key.master}", f"{key.venue}: {why}")
    return tally


async def _buried(bus: Bus, stream: str) -> frozenset[str]:
    return frozenset([entry.fields.get("entry_id", "") async for entry in entries(bus, keys.dead(stream))])


async def _dropped(bus: Bus, stream: str) -> frozenset[str]:
    return frozenset(await bus.do("HKEYS", keys.dropped(stream)))


async def _dead_letters(bus: Bus) -> AuditTally:
    tally = AuditTally()
    for stream in sorted(set(await bus.scan(keys.dead("*")))):
        async for entry in entries(bus, stream):
            detail = f"{stream}: {entry.fields.get('reason', '')}"
            tally.find(FindingKind.DEAD_LETTER, "", entry.fields.get("entry_id", entry.id), detail)
    return tally


async def _add_order_states(bus: Bus, findings: Sequence[Finding]) -> list[Finding]:
    """Add the order's state to each missing outcome."""
    missing = [each for each in findings if each.kind is FindingKind.MISSING_OUTCOME]
    answers = await bus.do_all([("HGET", keys.order(each.user, each.subject), "state") for each in missing])
    states = {id(each): answer for each, answer in zip(missing, answers, strict=True)}
    return [
        replace(each, detail=f"{each.detail}, the order is {states[id(each)] or 'not begun'}")
        if id(each) in states
        else each
        for each in findings
    ]


def _decided(entry: Entry) -> DecisionEntry:
    fields = entry.fields
    return DecisionEntry(
        entry_id=entry.id,
        order_id=fields.get("id", ""),
        signal_id=fields.get("signal_id", ""),
        copy=fields.get("decision") == "copy",
        emitted_at=_instant(fields.get("emitted_at", "")),
        exit=fields.get("kind") == "exit",
    )


def _mirrored(entry: Entry) -> MirrorEntry:
    fields = entry.fields
    return MirrorEntry(
        entry_id=entry.id,
        order_id=fields.get("id", ""),
        action=fields.get("action", ""),
        copy=fields.get("decision") == "copy",
        master_order_id=fields.get("master_order_id", ""),
        version=whole(fields.get("version")) or 0,
        emitted_at=_instant(fields.get("emitted_at", "")),
    )


def _reported(entry: Entry) -> ReportEntry:
    fields = entry.fields
    filled = (
        fields.get("filled_size") or "0"
    )  # an unreadable size counts as 0, so it disagrees with the venue: a finding
    return ReportEntry(
        order_id=fields.get("order_id", ""),
        signal_id=fields.get("signal_id", ""),
        outcome=fields.get("outcome", ""),
        filled=Decimal(filled) if DECIMAL.fullmatch(filled) else ZERO,
        signal_at=_instant(fields.get("signal_at", "")),
        settled_at=_instant(fields.get("settled_at", "")),
        code=fields.get("code", ""),
    )


def _instant(text: str) -> int:
    return whole(text) or 0
