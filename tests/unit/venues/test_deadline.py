"""How long an order may take to arrive: as long as a send may take, or to the end of its age."""

from __future__ import annotations

import pytest

from shared.venues.deadline import deadline_of


@pytest.mark.parametrize(
    ("latest_at", "deadline"),
    [
        (None, 107_000),
        (900_000, 107_000),
        (107_001, 107_000),
        (106_999, 106_999),
        (103_001, 103_001),
        (102_999, 103_000),
        (0, 103_000),
    ],
)
def test_a_deadline_is_no_later_than_the_latest_arrival_unless_that_is_too_near(
    latest_at: int | None, deadline: int
) -> None:
    assert deadline_of(100_000, life_ms=7_000, shortest_ms=3_000, latest_at=latest_at) == deadline


def test_a_send_that_takes_less_than_the_nearest_deadline_has_its_own() -> None:
    assert deadline_of(100_000, life_ms=1_000, shortest_ms=3_000, latest_at=0) == 101_000
