"""The audit over a real Redis: what is read is what is judged."""

from __future__ import annotations

from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, Group
from shared.contracts import keys
from shared.domain.funds import Funds
from shared.domain.order import OrderState
from shared.ledger.audit.auditor import run_audit
from shared.ledger.audit.facts import AuditTime
from shared.ledger.audit.findings import AuditReport, FindingKind
from shared.ledger.audit.journal import JournalOrder
from tests.support.copies import Copies, now_ms


async def audit(bus: Bus, journal: dict[str, list[JournalOrder]] | None = None, grace_ms: int = 10_000) -> AuditReport:
    return await run_audit(bus, AuditTime(now_ms(), grace_ms), journal, 0)


async def test_an_empty_redis_has_nothing_missing(bus: Bus) -> None:
    report = await audit(bus)
    assert report.ok
    assert (report.signals, report.users) == (0, ())


async def test_a_whole_run_is_counted_and_has_no_finding(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.follow("alice", "bob")
    await copies.settled(["alice", "bob"], count=3)
    skipped = await copies.signal()
    for user in ("alice", "bob"):
        await copies.decide(skipped, user, copy=False, reason="too small")
        await copies.report(skipped, user, OrderState.SKIPPED, reason="too small")
    await copies.report(None, "bob")
    report = await audit(bus)
    assert report.ok, report.summary()
    figures = report.summary()
    shown = {name: figures[name] for name in ("signals", "users", "decisions", "orders", "own_exits", "open")}
    assert shown == {"signals": 4, "users": 2, "decisions": 8, "orders": 6, "own_exits": 1, "open": 0}
    assert figures["outcomes"] == {"filled": 7, "skipped": 2}


async def test_each_gap_is_found_for_the_user_who_has_it(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.follow("alice", "bob", "carol")
    told = await copies.signal()
    await copies.decide(told, "alice")
    await copies.report(told, "alice")
    await copies.report(told, "alice")
    await copies.decide(told, "bob")
    report = await audit(bus)
    assert not report.ok
    found = {(finding.user, finding.kind) for finding in report.tally.findings}
    assert found == {
        ("alice", FindingKind.DOUBLE_OUTCOME),
        ("bob", FindingKind.MISSING_OUTCOME),
        ("carol", FindingKind.MISSING_DECISION),
    }


async def test_a_missing_outcome_tells_where_its_order_stands(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.follow("alice", "bob")
    told = await copies.signal()
    stuck = await copies.decide(told, "alice")
    await copies.decide(told, "bob")
    await bus.do("HSET", keys.order("alice", stuck), "state", "unknown")
    details = {finding.user: finding.detail for finding in (await audit(bus)).tally.findings}
    assert details["alice"].endswith("the order is unknown")
    assert details["bob"].endswith("the order is not begun")


async def test_what_is_younger_than_the_grace_is_open(bus: Bus) -> None:
    copies = Copies(bus, age=1)
    await copies.follow("alice", "bob")
    told = await copies.signal()
    await copies.decide(told, "alice")
    report = await audit(bus)
    assert report.ok
    assert report.tally.open == 2
    assert (await audit(bus, grace_ms=0)).tally.found.total() == 2


async def test_a_user_is_due_only_what_was_emitted_while_he_was_followed(bus: Bus) -> None:
    copies = Copies(bus)
    first, second, third = [await copies.signal() for _ in range(3)]
    await copies.follow("alice", start=first.entry_id, until=second.entry_id)
    report = await audit(bus)
    assert [finding.subject for finding in report.tally.findings] == [second.entry_id]
    assert report.followed == ()
    await copies.follow("alice", start=second.entry_id)
    report = await audit(bus)
    assert [finding.subject for finding in report.tally.findings] == [third.entry_id]
    assert report.followed == ("alice",)


async def test_a_dead_letter_is_the_one_finding_for_a_signal_that_nobody_can_read(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.follow("alice", "bob")
    await copies.settled(["alice", "bob"])
    poison = await bus.do("XADD", keys.SIGNALS, "*", "hello", "world")
    await Group(bus, keys.ENGINE).dead_letter(
        Entry(keys.SIGNALS, poison, {"hello": "world"}), "SignalMessage.id: Field required"
    )
    report = await audit(bus)
    assert [(finding.kind, finding.subject) for finding in report.tally.findings] == [(FindingKind.DEAD_LETTER, poison)]
    assert report.signals == 1


async def test_streams_that_were_trimmed_below_what_is_settled_pass(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.follow("alice")
    told = await copies.settled(["alice"], count=5)
    for stream in (keys.SIGNALS, keys.orders("alice")):
        assert await bus.do("XTRIM", stream, "MINID", told[3].entry_id) == 3
    report = await audit(bus)
    assert report.ok, report.summary()
    assert (report.signals, report.tally.decisions, report.tally.outcomes["filled"]) == (2, 2, 5)


async def test_a_decision_deleted_out_of_the_middle_is_missed(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.follow("alice")
    told = await copies.settled(["alice"], count=3)
    await bus.do("XDEL", keys.orders("alice"), told[1].entry_id)
    report = await audit(bus)
    assert [(each.kind, each.subject) for each in report.tally.findings] == [
        (FindingKind.MISSING_DECISION, told[1].entry_id)
    ]


async def test_streams_longer_than_a_page_are_read_to_their_end(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.follow("alice")
    await copies.settled(["alice"], count=1_003)
    last = await copies.signal()
    report = await audit(bus)
    assert (report.signals, report.tally.decisions, report.tally.outcomes["filled"]) == (1_004, 1_003, 1_003)
    assert [finding.subject for finding in report.tally.findings] == [last.entry_id]


async def test_the_venues_journal_is_compared_user_by_user(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.follow("alice", "bob")
    told = await copies.signal()
    orders = {user: await copies.decide(told, user) for user in ("alice", "bob")}
    for user in orders:
        await copies.report(told, user)
    journal = {user: [JournalOrder(user, "kraken", order, "V", Decimal("0.1"), 1)] for user, order in orders.items()}
    assert (await audit(bus, journal)).ok
    stranger = {
        **journal,
        "mallory": journal["bob"],
        "master": [JournalOrder("master", "kraken", "m", "V", Decimal(1), 1)],
    }
    report = await audit(bus, stranger)
    assert [(finding.user, finding.kind) for finding in report.tally.findings] == [
        ("mallory", FindingKind.UNDECIDED_AT_VENUE)
    ]
    del journal["bob"]
    report = await audit(bus, journal)
    assert [(finding.user, finding.kind) for finding in report.tally.findings] == [
        ("bob", FindingKind.MISSING_AT_VENUE)
    ]


async def _mark(bus: Bus, user: str, funds: Funds, since: int = 0) -> None:
    await bus.do("HSET", keys.books(user, "kraken"), "v", "1", "funds", funds, "since", since)


async def test_only_those_on_paper_money_are_compared_with_the_paper_exchange(bus: Bus) -> None:
    copies = Copies(bus)
    users = ("penny", "rita", "old")
    await copies.follow(*users)
    await copies.settled(users)
    await _mark(bus, "penny", Funds.PAPER)
    await _mark(bus, "rita", Funds.LIVE)
    for unmarked, others in ((Funds.LIVE, set()), (Funds.PAPER, {"old"})):
        report = await run_audit(bus, AuditTime(now_ms(), 10_000), {}, 0, unmarked)
        assert {(each.user, each.kind) for each in report.tally.findings} == {
            (user, FindingKind.MISSING_AT_VENUE) for user in {"penny"} | others
        }
        assert set(report.compared) == {"penny"} | others


async def test_a_stranger_at_the_paper_exchange_is_found_in_live_mode_too(bus: Bus) -> None:
    stray = JournalOrder("nobody", "kraken", "client", "V1", Decimal("0.1"), 1)
    report = await run_audit(bus, AuditTime(now_ms(), 10_000), {"nobody": [stray]}, 0, Funds.LIVE)
    assert [(each.user, each.kind) for each in report.tally.findings] == [("nobody", FindingKind.UNDECIDED_AT_VENUE)]


async def test_what_was_settled_with_the_other_money_is_not_compared(bus: Bus) -> None:
    before, after = Copies(bus, age=120), Copies(bus, age=60)
    await before.follow("rita")
    await before.settled(["rita"])
    since = now_ms() - 90_000
    await _mark(bus, "rita", Funds.PAPER, since)
    told = await after.signal()
    order = await after.decide(told, "rita")
    await after.report(told, "rita")
    of_now = JournalOrder("rita", "kraken", order, "V1", Decimal("0.1"), since + 1)
    assert (await audit(bus, {"rita": [of_now]})).ok
    report = await audit(bus, {"rita": []})
    assert [each.subject for each in report.tally.findings] == [order]
