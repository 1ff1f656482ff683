"""From when on an absence proves that an attempt never arrived: by two clocks, at the least that the venue's can show."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shared.execution.attempt import Sent
from shared.execution.timing import PROVEN_AFTER_MS, VISIBLE_AFTER_MS
from shared.venues.venue_clock import ExactTime

NOW = 1_790_000_000_000
DEADLINE = NOW + 5_000


class _Venue(ExactTime):
    """The venue's clock, and what it shows at least."""

    def __init__(self, uncertainty: int) -> None:
        super().__init__(lambda: self.now)
        self.now = NOW
        self.uncertainty = uncertainty

    def earliest(self) -> int:
        return self.now - self.uncertainty


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [100.0]
    monkeypatch.setattr("shared.execution.attempt.time", SimpleNamespace(monotonic=lambda: at[0]))
    return at


@pytest.mark.parametrize("uncertainty", [0, 600, 4_000])
def test_the_uncertainty_of_the_measurement_is_added_by_both_clocks(steady: list[float], uncertainty: int) -> None:
    """Case S1: a deadline of one time-out is over that much later, where the venue's clock may be behind its estimate."""
    venue = _Venue(uncertainty)
    attempt = Sent.now(venue, DEADLINE, "1")
    assert attempt.provable_in(venue) * 1000 == pytest.approx(PROVEN_AFTER_MS + uncertainty)
    venue.now += 1_000_000
    assert attempt.provable_in(venue) * 1000 == pytest.approx(PROVEN_AFTER_MS + uncertainty), "the venue's clock jumped"
    steady[0] += (PROVEN_AFTER_MS + uncertainty) / 1000
    assert attempt.provable_in(venue) <= 0
    venue.now = DEADLINE + VISIBLE_AFTER_MS - 1
    assert attempt.provable_in(venue) > 0, "the venue's clock was set back"
