"""The audit as a pure function: each kind of finding, and what must not be one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.order import leg_id
from shared.domain.reason import ReasonCode
from shared.ledger.audit.audit import audit_signals, audit_user
from shared.ledger.audit.facts import AuditTime, DecisionEntry, FollowingPeriod, ReportEntry, SignalFacts, UserFacts
from shared.ledger.audit.findings import AuditReport, AuditTally, FindingKind
from shared.ledger.audit.journal import JournalOrder, audit_acceptances
from shared.ledger.reading import StreamExtent

NOW = 1_000_000
OLD, YOUNG = NOW - 60_000, NOW - 1_000
MOMENT = AuditTime(now=NOW, grace_ms=10_000)
ENTRY = f"{OLD}-0"
SIGNALS = SignalFacts({ENTRY: "s1"})
COPY = DecisionEntry(ENTRY, "o1", "s1", copy=True, emitted_at=OLD)
FILLED = ReportEntry("o1", "s1", "filled", Decimal("0.5"), OLD, OLD + 200)
ROW = JournalOrder("alice", "kraken", "o1", "V1", Decimal("0.5"), OLD + 100)
WHOLE_BOOK = UserFacts("alice", FollowingPeriod("0-0"), [COPY], [FILLED])


def judge(book: UserFacts, venue: Sequence[JournalOrder] | None = None, signals: SignalFacts = SIGNALS) -> AuditTally:
    return audit_user(signals, book, venue, MOMENT)


def kinds(tally: AuditTally) -> dict[FindingKind, int]:
    return {kind: count for kind, count in tally.found.items() if count}


def test_one_decision_and_one_outcome_that_the_venue_confirms_is_no_finding() -> None:
    tally = judge(WHOLE_BOOK, [ROW])
    assert kinds(tally) == {}
    assert (tally.decisions, tally.orders, tally.open, tally.venue_orders) == (1, 1, 0, 1)
    assert tally.outcomes == {"filled": 1}


def test_a_signal_that_nobody_decided_for_an_active_user_is_missing() -> None:
    tally = judge(UserFacts("alice", FollowingPeriod("0-0"), [], []))
    assert kinds(tally) == {FindingKind.MISSING_DECISION: 1}
    assert tally.findings[0].subject == ENTRY
    assert "60.0 s old" in tally.findings[0].detail


@pytest.mark.parametrize(
    ("following", "due"),
    [
        (None, False),
        (FollowingPeriod(ENTRY), False),
        (FollowingPeriod(f"{OLD - 1}-7"), True),
        (FollowingPeriod("0-0", until=ENTRY), True),
        (FollowingPeriod("0-0", until=f"{OLD - 1}-0"), False),
    ],
)
def test_only_signals_after_from_and_up_to_until_are_due(following: FollowingPeriod | None, due: bool) -> None:
    tally = judge(UserFacts("alice", following, [], []))
    assert bool(tally.found[FindingKind.MISSING_DECISION]) is due


JOINED = DecisionEntry(f"{OLD + 500}-{2**32}", "o1", "s1", copy=True, emitted_at=OLD + 500)
JOINED_BOOK = UserFacts("alice", FollowingPeriod(ENTRY), [JOINED], [FILLED])


def test_who_joined_by_a_signal_of_before_he_followed_misses_nothing_and_has_nothing_too_many() -> None:
    earlier = SignalFacts({f"{OLD - 5}-0": "s0", ENTRY: "s1", f"{OLD + 1}-0": "s2"})
    book = replace(JOINED_BOOK, following=FollowingPeriod(f"{OLD + 1}-0"))
    tally = judge(book, [ROW], earlier)
    assert kinds(tally) == {}
    assert (tally.decisions, tally.orders, tally.venue_orders) == (1, 1, 1)


@pytest.mark.parametrize(
    ("book", "signals", "words"),
    [
        (JOINED_BOOK, SignalFacts({}), "joined by signal s1, which does not exist"),
        (replace(JOINED_BOOK, following=FollowingPeriod("0-0")), SIGNALS, "which was due to the user when it came"),
        (replace(JOINED_BOOK, decided=[COPY, JOINED]), SIGNALS, "signal s1 was decided twice"),
    ],
)
def test_a_joined_order_that_has_no_right_to_be_is_found(book: UserFacts, signals: SignalFacts, words: str) -> None:
    tally = judge(book, signals=signals)
    assert tally.found[FindingKind.ORDER_WITHOUT_SIGNAL] == 1
    assert words in " ".join(finding.detail for finding in tally.findings)


def test_a_joined_order_whose_signal_has_been_trimmed_is_no_finding() -> None:
    assert kinds(judge(JOINED_BOOK, signals=SignalFacts({}, extent=StreamExtent((OLD + 900, 0), 3)))) == {}


def test_a_joined_order_without_an_outcome_is_missing_one_like_any_other() -> None:
    assert kinds(judge(replace(JOINED_BOOK, reported=[]))) == {FindingKind.MISSING_OUTCOME: 1}


def test_a_young_signal_without_decision_is_open_not_missing() -> None:
    signals = SignalFacts({f"{YOUNG}-0": "s1"})
    tally = judge(UserFacts("alice", FollowingPeriod("0-0"), [], []), signals=signals)
    assert kinds(tally) == {}
    assert tally.open == 1


def test_a_decision_without_report_is_a_missing_outcome_with_its_age() -> None:
    tally = judge(replace(WHOLE_BOOK, reported=[]))
    assert kinds(tally) == {FindingKind.MISSING_OUTCOME: 1}
    assert "60.0 s old" in tally.findings[0].detail


def test_a_skip_needs_its_report_too() -> None:
    book = replace(WHOLE_BOOK, decided=[COPY._replace(copy=False)], reported=[])
    assert kinds(judge(book)) == {FindingKind.MISSING_OUTCOME: 1}
    skipped = replace(book, reported=[ReportEntry("o1", "s1", "skipped")])
    assert kinds(judge(skipped)) == {}


def test_an_old_signal_that_was_decided_just_now_is_open() -> None:
    tally = judge(replace(WHOLE_BOOK, decided=[COPY._replace(emitted_at=YOUNG)], reported=[]))
    assert kinds(tally) == {}
    assert tally.open == 1


def test_two_reports_on_one_order_are_a_double_outcome() -> None:
    tally = judge(replace(WHOLE_BOOK, reported=[FILLED, FILLED]))
    assert kinds(tally) == {FindingKind.DOUBLE_OUTCOME: 1}


def test_the_second_report_counts_even_if_it_came_during_the_audit() -> None:
    assert kinds(judge(replace(WHOLE_BOOK, late=[FILLED]))) == {FindingKind.DOUBLE_OUTCOME: 1}


def test_a_report_that_came_during_the_audit_settles_its_order() -> None:
    tally = judge(replace(WHOLE_BOOK, reported=[], late=[FILLED]))
    assert kinds(tally) == {}
    assert tally.outcomes == {"filled": 1}


def test_an_order_whose_entry_is_no_signal_is_found() -> None:
    stray = DecisionEntry(f"{OLD}-9", "o2", "s2", copy=True)
    book = replace(WHOLE_BOOK, decided=[COPY, stray], reported=[FILLED, ReportEntry("o2", "s2", "expired")])
    assert kinds(judge(book)) == {FindingKind.ORDER_WITHOUT_SIGNAL: 1}


def test_an_order_that_names_another_signal_than_its_entry_is_found() -> None:
    book = replace(WHOLE_BOOK, decided=[COPY._replace(signal_id="s9")])
    assert kinds(judge(book)) == {FindingKind.ORDER_WITHOUT_SIGNAL: 1}


def test_an_order_on_a_signal_that_came_during_the_audit_is_no_finding() -> None:
    new = DecisionEntry(f"{NOW + 5}-0", "o2", "s2", copy=True)
    assert kinds(judge(replace(WHOLE_BOOK, decided=[COPY, new]))) == {}


def test_an_outcome_that_nobody_decided_is_found() -> None:
    book = replace(WHOLE_BOOK, reported=[FILLED, FILLED._replace(order_id="o7")])
    assert kinds(judge(book)) == {FindingKind.OUTCOME_WITHOUT_DECISION: 1}


def test_a_users_own_exit_needs_no_decision() -> None:
    own = ReportEntry("o8", "", "filled", Decimal("0.2"), 0, OLD)
    tally = judge(
        replace(WHOLE_BOOK, reported=[FILLED, own]), [ROW, ROW._replace(client_order_id="o8", filled=Decimal("0.2"))]
    )
    assert kinds(tally) == {}
    assert tally.own_exits == 1


def test_a_fill_of_what_was_decided_to_be_skipped_is_found() -> None:
    book = replace(WHOLE_BOOK, decided=[COPY._replace(copy=False)])
    assert kinds(judge(book)) == {FindingKind.OUTCOME_AGAINST_DECISION: 1}


def test_a_skip_that_was_copied_before_redis_forgot_it_is_no_finding_at_the_venue_either() -> None:
    book = replace(
        WHOLE_BOOK, decided=[COPY._replace(copy=False)], reported=[FILLED._replace(code=ReasonCode.RECALLED)]
    )
    assert kinds(judge(book, [ROW])) == {}


def test_what_was_trimmed_from_the_old_end_is_not_missing() -> None:
    trimmed = StreamExtent(first=(OLD + 5, 0), removed=1)
    assert kinds(judge(replace(WHOLE_BOOK, decided=[], reported=[], orders_extent=trimmed))) == {}
    assert kinds(judge(replace(WHOLE_BOOK, reported=[], reports_extent=trimmed))) == {}
    assert kinds(judge(replace(WHOLE_BOOK, decided=[], orders_extent=trimmed))) == {}
    assert kinds(judge(WHOLE_BOOK, signals=SignalFacts({}, extent=trimmed))) == {}


def test_a_stream_that_lost_nothing_excuses_nothing() -> None:
    never = StreamExtent(first=(OLD + 5, 0), removed=0)
    tally = judge(replace(WHOLE_BOOK, decided=[], reported=[], orders_extent=never))
    assert kinds(tally) == {FindingKind.MISSING_DECISION: 1}


def test_what_was_deleted_out_of_the_middle_is_missing() -> None:
    holed = StreamExtent(first=(OLD - 5, 0), removed=1)
    tally = judge(replace(WHOLE_BOOK, decided=[], reported=[], orders_extent=holed))
    assert kinds(tally) == {FindingKind.MISSING_DECISION: 1}


def test_a_buried_order_is_not_counted_as_a_missing_outcome_beside_its_dead_letter() -> None:
    assert kinds(judge(replace(WHOLE_BOOK, reported=[], buried={ENTRY}))) == {}


def test_a_dead_order_that_an_operator_gave_up_has_failed() -> None:
    tally = judge(replace(WHOLE_BOOK, reported=[], dropped={ENTRY}))
    assert kinds(tally) == {}
    assert (tally.dropped, tally.outcomes) == (1, {"failed": 1})


def test_an_order_that_was_given_up_and_ended_all_the_same_counts_once() -> None:
    tally = judge(replace(WHOLE_BOOK, dropped={ENTRY}), [ROW])
    assert kinds(tally) == {}
    assert (tally.dropped, tally.outcomes) == (0, {"filled": 1})


def test_a_signal_that_an_operator_gave_up_is_due_to_nobody() -> None:
    signals = SignalFacts({}, {ENTRY: "no id"}, dropped={ENTRY})
    assert kinds(audit_signals(signals, MOMENT)) == {}
    readable_by_now = replace(SIGNALS, dropped={ENTRY})
    assert kinds(judge(UserFacts("alice", FollowingPeriod("0-0"), [], []), signals=readable_by_now)) == {}


def test_an_order_at_the_venue_that_nobody_decided_is_found() -> None:
    tally = judge(WHOLE_BOOK, [ROW, ROW._replace(client_order_id="o5")])
    assert kinds(tally) == {FindingKind.UNDECIDED_AT_VENUE: 1}


def test_an_order_at_the_venue_that_was_to_be_skipped_is_found() -> None:
    book = replace(WHOLE_BOOK, decided=[COPY._replace(copy=False)], reported=[FILLED._replace(outcome="skipped")])
    found = kinds(judge(book, [ROW]))
    assert found == {FindingKind.UNDECIDED_AT_VENUE: 1, FindingKind.FILL_DISAGREES: 1}


def test_an_own_exit_that_the_venue_has_just_accepted_is_open_until_its_report() -> None:
    young = ROW._replace(client_order_id="o8", accepted_at=YOUNG)
    tally = judge(WHOLE_BOOK, [ROW, young])
    assert kinds(tally) == {}
    assert tally.open == 1


def test_an_order_placed_by_hand_without_client_id_is_not_ours() -> None:
    tally = judge(WHOLE_BOOK, [ROW, ROW._replace(client_order_id="")])
    assert kinds(tally) == {}
    assert tally.venue_orders == 1


def test_a_fill_that_the_venue_does_not_have_is_missing_there() -> None:
    assert kinds(judge(WHOLE_BOOK, [])) == {FindingKind.MISSING_AT_VENUE: 1}


def test_a_refused_order_need_not_be_at_the_venue() -> None:
    book = replace(WHOLE_BOOK, reported=[FILLED._replace(outcome="rejected", filled=Decimal(0))])
    assert kinds(judge(book, [])) == {}


@pytest.mark.parametrize(
    ("outcome", "reported", "there"),
    [("filled", "0.5", "0.4"), ("partial", "0.2", "0.5"), ("expired", "0", "0.5"), ("rejected", "0", "0.5")],
)
def test_a_filled_size_that_differs_from_the_venues_is_found(outcome: str, reported: str, there: str) -> None:
    book = replace(WHOLE_BOOK, reported=[FILLED._replace(outcome=outcome, filled=Decimal(reported))])
    assert kinds(judge(book, [ROW._replace(filled=Decimal(there))])) == {FindingKind.FILL_DISAGREES: 1}


EXIT = str(UUID(int=7))
IN_LEGS = UserFacts(
    "alice", FollowingPeriod("0-0"), [COPY._replace(order_id=EXIT, exit=True)], [FILLED._replace(order_id=EXIT)]
)
LEGS = [
    ROW._replace(client_order_id=leg_id(EXIT, number), filled=Decimal(filled))
    for number, filled in ((1, "0.2"), (2, "0"), (3, "0.3"))
]


def test_an_exit_in_legs_agrees_by_the_sum_of_its_legs() -> None:
    assert kinds(judge(IN_LEGS, LEGS)) == {}
    assert kinds(judge(IN_LEGS, LEGS[:2])) == {FindingKind.FILL_DISAGREES: 1}


def test_an_entry_has_no_second_leg() -> None:
    entry = replace(IN_LEGS, decided=[COPY._replace(order_id=EXIT, exit=False)])
    tally = judge(entry, LEGS)
    assert kinds(tally) == {FindingKind.UNDECIDED_AT_VENUE: 2, FindingKind.FILL_DISAGREES: 1}


def test_an_exit_between_two_legs_is_not_compared_before_its_report() -> None:
    under_way = replace(IN_LEGS, reported=[], decided=[COPY._replace(order_id=EXIT, exit=True, emitted_at=YOUNG)])
    assert kinds(judge(under_way, LEGS)) == {}


def test_a_report_that_came_after_the_journal_was_read_is_not_compared_with_it() -> None:
    tally = judge(replace(WHOLE_BOOK, reported=[FILLED._replace(settled_at=NOW)]), [])
    assert kinds(tally) == {}
    assert tally.open == 1


def test_a_client_id_accepted_twice_for_one_account_is_found_for_the_master_too() -> None:
    orders = {"alice": [ROW, ROW], "master": [ROW, ROW], "bob": [ROW, ROW._replace(client_order_id="o2")]}
    tally = audit_acceptances(orders)
    assert kinds(tally) == {FindingKind.ACCEPTED_TWICE: 2}
    assert {finding.user for finding in tally.findings} == {"alice", "master"}


def test_a_signal_that_nobody_can_read_is_found_unless_it_is_buried_or_young() -> None:
    unreadable = {ENTRY: "no id", f"{OLD}-1": "no id", f"{YOUNG}-0": "no id"}
    tally = audit_signals(SignalFacts({}, unreadable, buried={f"{OLD}-1"}), MOMENT)
    assert [finding.subject for finding in tally.findings] == [ENTRY]
    assert tally.open == 1


def test_the_summary_counts_missing_double_and_disagreeing_apart() -> None:
    tally = AuditTally()
    for kind in FindingKind:
        tally.find(kind, "alice", "x")
    figures = AuditReport(1, ("alice",), ("alice",), tally, 0, venue_checked=True).summary()
    assert figures["ok"] is False
    shown = [figures[name] for name in ("missing", "duplicates", "disagreements", "dead_letters")]
    assert shown == [3, 2, 7, 1]
    assert sum(int(str(count)) for count in shown) == len(FindingKind)


def test_a_refused_nonce_is_told_and_is_no_finding() -> None:
    assert AuditReport(1, (), (), AuditTally(), 0, venue_checked=True).ok
    fenced = AuditReport(1, (), (), AuditTally(), 1, venue_checked=True)
    assert fenced.ok
    assert fenced.summary()["invalid_nonces"] == 1
