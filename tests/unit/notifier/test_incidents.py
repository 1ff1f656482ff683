"""Which causes become messages: a clock that is stepped by hand, and no Redis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, time

import pytest

from services.notifier.rules.cause import Cause
from services.notifier.rules.incident import Level, Message
from services.notifier.rules.incidents import MOST_KEPT, Incidents
from services.notifier.rules.wording import Words
from shared.config.notifications import Event, NotifySettings, QuietHours, Volume
from shared.config.settings import Mode

NOON = 1_795_780_800_000  # 2026-11-27 12:00 UTC
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
SETTINGS = NotifySettings(urls=("json://127.0.0.1",))


def parked(user: str, *, critical: bool = False) -> Cause:
    return Cause(
        Event.PARKED,
        user,
        f"{user} at kraken",
        "the key is refused",
        todo=f"ops doctor --user {user}",
        critical=critical,
    )


class Run:
    """Steps the rules and keeps what they write, as Redis would."""

    def __init__(self, settings: NotifySettings = SETTINGS, at: int = NOON) -> None:
        self.settings = settings
        self.now = at
        self.kept: dict[str, str] = {}
        self.sent: list[Message] = []
        self._words = Words(Mode.PAPER, UTC)
        self.incidents = Incidents(settings, self._words)

    def step(self, causes: Iterable[Cause] = (), after: int = SECOND, unread: Iterable[Event] = ()) -> list[Message]:
        self.now += after
        outcome = self.incidents.step(self.now, causes, frozenset(unread))
        self.kept = {name: text for name, text in {**self.kept, **outcome.fields}.items() if text}
        self.sent += outcome.messages
        return outcome.messages

    def restart(self) -> None:
        self.incidents = Incidents(self.settings, self._words, self.kept)

    def titles(self) -> list[str]:
        return [each.title for each in self.sent]


def test_a_cause_is_one_message_with_what_happened_to_whom_since_when_and_what_to_do() -> None:
    run = Run()
    (message,) = run.step([replace(parked("alice"), since=NOON - HOUR)])
    assert message.title == "PAPER Shoal: account parked (alice at kraken)"
    assert message.body == (
        "alice at kraken: the key is refused (since 2026-11-27 11:00 UTC)\nWhat to do: ops doctor --user alice"
    )
    assert message.level is Level.WARNING
    for _ in range(1_000):
        assert run.step([parked("alice")]) == [], "it stands, and nothing more is said"


def test_a_thousand_causes_of_one_kind_are_one_message_and_one_summary() -> None:
    run = Run()
    causes: list[Cause] = []
    for number in range(1_000):
        causes.append(parked(f"user-{number:04d}"))
        run.step(causes, after=20)
    for _ in range(180):
        run.step(causes)
    assert run.titles() == [
        "PAPER Shoal: account parked (user-0000 at kraken)",
        "PAPER Shoal: 999 more accounts parked",
    ]
    assert "and 991 more" in run.sent[1].body
    assert len(run.sent[1].body) < 1_500


def test_causes_of_two_kinds_do_not_wait_for_each_other() -> None:
    run = Run()
    run.step([parked("alice")])
    (message,) = run.step([parked("alice"), Cause(Event.DEAD_LETTER, "x", "bob", "an entry")])
    assert "dead letter" in message.title


def test_while_causes_keep_coming_each_collection_is_longer_than_the_one_before() -> None:
    run = Run()
    causes = []
    for number in range(6 * 60):
        causes.append(parked(f"u{number}"))
        run.step(causes, after=MINUTE // 2)
    gaps = [later.created_at - earlier.created_at for earlier, later in zip(run.sent, run.sent[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert gaps[:3] == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert max(gaps) == HOUR
    assert sum(1 for _ in run.sent) < 12


def test_when_the_cause_is_gone_that_is_said_once_with_how_long_it_lasted() -> None:
    run = Run()
    run.step([parked("alice")])
    assert run.step([parked("alice")], after=10 * MINUTE) == []
    assert run.step(after=SECOND) == [], "perhaps it comes back"
    (message,) = run.step(after=11 * SECOND)
    assert message.title == "PAPER Shoal: resolved: account parked (alice at kraken)"
    assert "over after 10 min" in message.body
    assert message.level is Level.SUCCESS
    assert run.step(after=HOUR) == []
    assert not [name for name in run.kept if name.startswith("cause:")]


def test_a_cause_that_is_back_before_it_settled_was_never_gone() -> None:
    run = Run()
    run.step([parked("alice")])
    for _ in range(50):
        run.step(after=5 * SECOND)
        run.step([parked("alice")], after=5 * SECOND)
    assert len(run.sent) == 1


def test_what_comes_and_goes_while_causes_are_collected_is_one_line() -> None:
    run = Run()
    run.step([parked("alice")])
    for number in range(3):
        run.step([parked("alice"), parked(f"u{number}")])
        run.step([parked("alice")])
        run.step([parked("alice")], after=11 * SECOND)
    (message,) = run.step([parked("alice")], after=MINUTE)
    assert message.title == "PAPER Shoal: 3 times: account parked"
    assert "3 came and went" in message.body


def test_quiet_hours_collect_what_can_wait_and_let_through_what_cannot() -> None:
    run = Run(replace(SETTINGS, quiet=QuietHours(time(22, 0), time(7, 0))), at=NOON + 11 * HOUR)
    assert run.step([parked("alice")]) == []
    stopped = Cause(Event.STOP_OUT, "bob", "bob at kraken", "5 % lost today", settle_ms=0)
    (message,) = run.step([parked("alice"), stopped])
    assert "stop-out" in message.title
    assert message.critical
    assert message.level is Level.FAILURE
    both = [parked("alice"), parked("carol"), stopped]
    assert run.step(both, after=6 * HOUR) == []
    (morning,) = run.step(both, after=2 * HOUR)
    assert morning.title == "PAPER Shoal: 2 accounts parked"


def test_quiet_hours_within_one_day() -> None:
    hours = QuietHours(time(13, 0), time(15, 0))
    assert not hours.includes(time(12, 59))
    assert hours.includes(time(13, 0))
    assert not hours.includes(time(15, 0))


def test_a_cause_that_is_critical_by_itself_comes_in_quiet_hours() -> None:
    run = Run(replace(SETTINGS, quiet=QuietHours(time(11, 0), time(14, 0))))
    assert len(run.step([parked("master", critical=True)])) == 1


@pytest.mark.parametrize(("volume", "counted"), [(Volume.SILENT, 1), (Volume.OFF, 0)])
def test_silent_is_only_counted_and_off_is_nothing(volume: Volume, counted: int) -> None:
    run = Run(replace(SETTINGS, volumes={Event.PARKED: volume}))
    run.step([parked("alice")])
    assert run.incidents.counts.get(Event.PARKED, 0) == counted
    assert len(run.incidents.standing) == counted
    run.step(after=HOUR)
    run.step(after=HOUR)
    assert run.sent == []
    assert not [name for name in run.kept if name.startswith("cause:")]


def test_after_a_restart_nothing_is_sent_twice_and_nothing_is_lost() -> None:
    run = Run()
    run.step([parked("alice")])
    run.step([parked("alice"), parked("bob")])
    run.restart()
    assert run.step([parked("alice"), parked("bob")]) == [], "alice was sent, bob is collected"
    run.restart()
    (message,) = run.step([parked("alice"), parked("bob")], after=MINUTE)
    assert message.title == "PAPER Shoal: account parked (bob at kraken)"
    run.step([parked("bob")])
    run.restart()
    (over,) = run.step([parked("bob")], after=11 * SECOND)
    assert "alice" in over.title


def test_of_an_event_that_was_not_read_nothing_is_resolved() -> None:
    run = Run()
    run.step([parked("alice")])
    for _ in range(20):
        run.step(after=MINUTE, unread=[Event.PARKED])
    assert len(run.sent) == 1


def test_a_cause_that_is_back_before_its_end_was_sent_is_the_same_one() -> None:
    run = Run()
    run.step([parked("alice"), parked("bob")])
    run.step([parked("bob")])
    run.step([parked("bob")], after=11 * SECOND)  # "resolved: alice" is sent
    run.step()
    run.step(after=11 * SECOND)  # bob's end is collected
    run.step([parked("bob")])
    run.step([parked("bob")], after=HOUR)
    assert [each for each in run.titles() if "bob" in each] == []


def test_a_switch_that_is_set_and_cleared_is_said_at_once_both_times() -> None:
    run = Run()
    halt = Cause(
        Event.KILL_SWITCH, "everybody|halt", "everybody", "halt", group="e", settle_ms=0, gone_words="halt cleared"
    )
    assert run.step([halt])[0].title == "PAPER Shoal: kill switch set (everybody)"
    assert run.step()[0].title == "PAPER Shoal: halt cleared (everybody)"


def test_what_happened_once_is_said_once_also_after_quiet_hours_and_has_no_end() -> None:
    run = Run(replace(SETTINGS, quiet=QuietHours(time(11, 0), time(14, 0))))
    moved = Cause(Event.STAGE, "alice|5-0", "alice", "from stage shadow to 0.05", momentary=True)
    run.step([moved])
    assert run.incidents.standing == []
    assert run.step(after=HOUR) == []
    (message,) = run.step(after=2 * HOUR)
    assert message.title == "PAPER Shoal: a change of stage (alice)"
    run.step(after=HOUR)
    run.step(after=HOUR)
    assert len(run.sent) == 1
    assert not [name for name in run.kept if name.startswith("cause:")]


def test_a_flood_is_bounded_and_what_was_left_out_is_seen_once_there_is_room() -> None:
    run = Run()
    flood = [parked(f"u{number}") for number in range(MOST_KEPT + 10)]
    run.step(flood)
    assert len(run.incidents.standing) == MOST_KEPT
    run.step(flood[100:])
    run.step(flood[100:], after=11 * SECOND)
    run.step(flood[100:])
    assert len(run.incidents.standing) == MOST_KEPT + 10 - 100


def test_what_is_kept_and_cannot_be_read_is_left_out() -> None:
    run = Run()
    run.step([parked("alice")])
    run.kept |= {"cause:x": "{", "cause:y": "[]", "window:z": '{"a": 1}', "count:nothing": "1", "count:parked": "x"}
    run.restart()
    assert run.step([parked("alice")]) == []
