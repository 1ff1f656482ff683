"""From when on an absence proves that an attempt never arrived: by two clocks, at the least that the venue's can show."""

from __future__ import annotations

import pytest

from shared.execution.attempt import Attempt
from shared.execution.clock import AccountClock
from shared.execution.timing import Timing
from shared.venues.venue_clock import ExactTime

NOW = 1_790_000_000_000
DEADLINE = NOW + 5_000
TIMING = Timing(visible_after_ms=3_000, furthest_deadline_ms=60_000)


class _Venue(ExactTime):
    """The venue's clock, and what it shows at least."""

    def __init__(self, uncertainty: int) -> None:
        super().__init__(lambda: self.now)
        self.now = NOW
        self.uncertainty = uncertainty

    def earliest(self) -> int:
        return self.now - self.uncertainty


@pytest.mark.parametrize("uncertainty", [0, 600, 4_000])
def test_the_uncertainty_of_the_measurement_is_added_by_both_clocks(uncertainty: int) -> None:
    """Case S1: a deadline of one time-out is over that much later, where the venue's clock may be behind its estimate."""
    venue, steady = _Venue(uncertainty), [100.0]
    clock = AccountClock(venue, steady=lambda: steady[0])
    attempt = Attempt.begin(clock, TIMING, DEADLINE, "1")
    proven_after = TIMING.proven_after_ms + uncertainty
    assert attempt.provable_in(clock, TIMING) * 1000 == pytest.approx(proven_after)
    venue.now += 1_000_000
    assert attempt.provable_in(clock, TIMING) * 1000 == pytest.approx(proven_after), "the venue's clock jumped"
    steady[0] += proven_after / 1000
    assert attempt.provable_in(clock, TIMING) <= 0
    venue.now = DEADLINE + TIMING.visible_after_ms - 1
    assert attempt.provable_in(clock, TIMING) > 0, "the venue's clock was set back"
