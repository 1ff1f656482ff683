"""A venue's time is known from its answers alone: never surely later than the truth, whatever delays, caches and steps do."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate

from hypothesis import given, strategies as st

from shared.domain.values.clock_offset import REPORT_ABOVE_MS, STOP_ENTRIES_ABOVE_MS
from shared.venues.venue_clock import DATE_RESOLUTION_MS, SECONDS_RESOLUTION_MS, VenueClock

START = 1_790_000_000_000
ROUNDING = 1


@dataclass
class World:
    """A venue's clock, this host's two clocks, and the way between them. The truth is what the venue's clock shows."""

    wall_ahead: int = 0
    venue_ms: float = START
    steady: float = 1_000.0
    clock: VenueClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = VenueClock("kraken", wall=lambda: int(self.venue_ms) + self.wall_ahead, steady=lambda: self.steady)

    def passes(self, seconds: float, *, slewed: float = 0.0) -> None:
        """Let time pass; `slewed` is how much faster the venue's clock runs than the steady one."""
        self.steady += seconds
        self.venue_ms += seconds * 1000 * (1 + slewed)

    def asks(self, there: float = 0.02, back: float = 0.02, *, stale: float = 0.0, age: str = "") -> None:
        """Make an exchange whose answer names the second in which the venue was, or one that was over `stale` seconds ago."""
        sent = self.steady
        self.passes(there)
        date = formatdate(int(self.venue_ms / 1000 - stale), usegmt=True)
        self.passes(back)
        self.clock.heard(date, age, sent, self.steady)

    def asks_time(self, there: float = 0.02, back: float = 0.02) -> None:
        """Ask for the venue's time in whole seconds."""
        sent = self.steady
        self.passes(there)
        at = int(self.venue_ms / 1000) * 1000
        self.passes(back)
        self.clock.note(at, SECONDS_RESOLUTION_MS, sent, self.steady)

    @property
    def surely_not_later(self) -> bool:
        return self.clock.earliest() <= self.venue_ms + ROUNDING

    @property
    def holds(self) -> bool:
        return self.surely_not_later and self.venue_ms <= self.clock.latest() + ROUNDING


_delays = st.floats(0, 40)
_exchanges = st.lists(
    st.tuples(_delays, _delays, st.floats(0, 120), st.floats(-0.0009, 0.0009), st.booleans()), min_size=1, max_size=12
)


@given(_exchanges, st.integers(-10_000_000, 10_000_000))
def test_the_venues_time_is_always_within_the_bounds(
    exchanges: list[tuple[float, float, float, float, bool]], wall_ahead: int
) -> None:
    """Whatever the delays, the slewing and the host's wall clock are."""
    world = World(wall_ahead)
    for there, back, pause, slewed, by_method in exchanges:
        (world.asks_time if by_method else world.asks)(there, back)
        assert world.holds
        assert world.clock.earliest() <= world.clock() <= world.clock.latest()
        world.passes(pause, slewed=slewed)
        assert world.holds


@given(st.lists(st.tuples(_delays, st.floats(0, 100_000), st.floats(0, 60)), min_size=1, max_size=15))
def test_an_old_date_never_makes_the_venues_time_surely_later_than_it_is(
    rows: list[tuple[float, float, float]],
) -> None:
    """A proxy's copy of an answer: any age, and any number of them in a row."""
    world = World()
    for delay, stale, pause in rows:
        world.asks(back=delay, stale=stale)
        assert world.surely_not_later
        world.passes(pause)
        assert world.surely_not_later


@given(st.lists(st.tuples(st.floats(0, 100_000), st.floats(0, 20), st.integers(1, 5)), min_size=1, max_size=5))
def test_after_an_answer_no_step_ahead_makes_it_surely_later(steps: list[tuple[float, float, int]]) -> None:
    """The venue's clock is set ahead, or this host sleeps (its steady clock does not count that)."""
    world = World()
    world.asks()
    for step, pause, answers in steps:
        world.venue_ms += step * 1000
        assert world.surely_not_later
        for _ in range(answers):
            world.passes(pause)
            world.asks()
            assert world.surely_not_later


@given(st.floats(0, 59), st.floats(0, 20), st.integers(1, 8))
def test_after_an_answer_a_step_back_is_at_least_doubted(step: float, pause: float, answers: int) -> None:
    """No more than the answers' own resolution is overlooked; the margin of a proof is larger than that."""
    world = World()
    world.asks()
    world.venue_ms -= step * 1000
    for _ in range(answers):
        world.asks()
        assert world.clock.earliest() <= world.venue_ms + DATE_RESOLUTION_MS + 100
        world.passes(pause)


def test_before_the_first_answer_nothing_is_measured_and_nothing_is_over() -> None:
    world = World(wall_ahead=6_000)
    assert not world.clock.measured
    assert world.clock() == int(world.venue_ms) + 6_000
    assert world.clock.earliest() == 0
    assert world.clock.offset() is None


def test_after_the_first_answer_steps_of_the_hosts_clock_change_nothing() -> None:
    world = World(wall_ahead=6_000)
    world.asks()
    before = world.clock()
    for ahead in (-90_000, 3_600_000, 0):
        world.wall_ahead = ahead
        assert world.clock() == before
        offset = world.clock.offset()
        assert offset is not None
        assert abs(offset.ms - ahead) <= offset.uncertainty_ms + ROUNDING


def test_many_answers_say_more_than_one() -> None:
    world = World()
    for _ in range(20):
        world.asks()
        world.asks_time()
        world.passes(0.37)
    assert world.clock.latest() - world.clock.earliest() < 150
    assert abs(world.clock() - world.venue_ms) < 100


def test_an_answer_that_was_held_up_moves_nothing() -> None:
    world = World()
    for _ in range(10):
        world.asks_time()
        world.passes(0.37)
    bounds = (world.clock.earliest() - world.venue_ms, world.clock.latest() - world.venue_ms)
    for there, back in ((30.0, 0.0), (0.0, 30.0)):
        world.asks(there, back)
    wider = (world.clock.earliest() - world.venue_ms, world.clock.latest() - world.venue_ms)
    assert abs(wider[0] - bounds[0]) < 200
    assert abs(wider[1] - bounds[1]) < 200


def test_a_copy_from_a_cache_moves_nothing() -> None:
    world = World()
    world.asks_time()
    before = world.clock() - world.venue_ms
    world.asks(stale=40, age="40")
    world.asks(stale=40)
    assert abs(world.clock() - world.venue_ms - before) < 1
    assert world.clock.earliest() <= world.venue_ms - 39_000, "a proof waits while answers contradict one another"
    world.passes(100)
    assert world.clock.earliest() > world.venue_ms - 2_000


def test_a_venue_whose_clock_was_set_back_is_believed_after_a_while() -> None:
    world = World()
    world.asks_time()
    world.venue_ms -= 20_000
    for _ in range(4):
        world.asks_time()
        assert world.surely_not_later
        world.passes(6)
    assert abs(world.clock() - world.venue_ms) < 1_100


def test_a_host_that_slept_is_right_with_the_next_answer() -> None:
    world = World()
    world.asks_time()
    world.venue_ms += 7_200_000
    assert world.surely_not_later
    world.asks_time()
    assert abs(world.clock() - world.venue_ms) < 1_100


def test_what_is_no_date_says_nothing() -> None:
    world = World()
    for date in ("", "yesterday", "Thu, 99 Xxx 2026 99:99:99 GMT", "0", "\x00"):
        world.clock.heard(date, "", world.steady, world.steady)
    assert not world.clock.measured


def test_an_offset_counts_only_as_far_as_it_is_sure() -> None:
    world = World(wall_ahead=6_200)
    world.asks()
    world.passes(1)
    world.asks_time()
    offset = world.clock.offset()
    assert offset is not None
    assert offset.exceeds(REPORT_ABOVE_MS)
    assert not offset.exceeds(6_200)
    assert offset.exceeds(STOP_ENTRIES_ABOVE_MS) == (abs(offset.ms) - offset.uncertainty_ms > STOP_ENTRIES_ABOVE_MS)
    assert "ahead of kraken's" in offset.words
    assert DATE_RESOLUTION_MS > SECONDS_RESOLUTION_MS


@given(st.integers(0, 999), st.floats(0.001, 0.1))
def test_a_few_answers_in_whole_seconds_that_are_asked_for_at_the_right_moment_are_as_good_as_one_in_milliseconds(
    phase: int, trip: float
) -> None:
    world = World(venue_ms=START + phase)
    for _ in range(7):
        world.passes(world.clock.until_next_second())
        world.asks_time(trip / 2, trip / 2)
        world.passes(3)
        assert world.holds
    assert abs(world.clock() - world.venue_ms) <= 25 + trip * 1000
