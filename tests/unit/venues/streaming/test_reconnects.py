"""When a stream connects again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from shared.venues.errors import Unavailable
from shared.venues.streaming.connection import StreamEnded
from shared.venues.streaming.reconnects import MANY, Reconnects

CUT = StreamEnded("cut", 1006)


@dataclass
class Clock:
    now: float = 1000.0
    share: float = 0.0
    reconnects: Reconnects = field(init=False)

    def __post_init__(self) -> None:
        self.reconnects = Reconnects(monotonic=lambda: self.now, uniform=lambda: self.share)

    def pauses(self, times: int, failure: Unavailable = CUT) -> list[float]:
        return [self.reconnects.pause_after(failure) for _ in range(times)]


def test_pauses_grow_to_their_bound_and_are_long_after_many_failures() -> None:
    clock = Clock()
    assert clock.pauses(MANY + 2) == [1, 1, 5, 10, 20, *[30] * (MANY - 5), 300, 300]


def test_jitter_is_added_to_each_pause() -> None:
    assert Clock(share=1.0).pauses(3) == [1.75, 1.75, 5.75]


@pytest.mark.parametrize(("seconds", "pause"), [(29.9, 5), (30.0, 1)])
def test_a_connection_that_lasted_ends_the_row_of_failures(seconds: float, pause: float) -> None:
    clock = Clock()
    clock.pauses(2)
    clock.reconnects.connected()
    clock.now += seconds
    assert clock.pauses(1) == [pause]


def test_time_between_failures_is_not_a_stable_connection() -> None:
    clock = Clock()
    clock.reconnects.connected()
    clock.pauses(3)
    clock.now += 1000
    assert clock.pauses(1) == [10]


def test_an_unwelcome_client_waits_longer_than_any_ban() -> None:
    assert Clock().pauses(1, StreamEnded("policy", 1008)) == [900]


def test_a_wait_that_the_venue_asks_for_is_kept() -> None:
    assert Clock().pauses(3, Unavailable("rate limit", 12.0)) == [12, 12, 12]
