"""How far the clock of this host is from a venue's: what is said of it, and from when on it is acted upon.

Orders go by the venue's time, so a wrong clock here costs no exit. It is a fault all the same: Redis, the tools and the logs of
this host go by it. Far enough off, no entry leaves; exits always do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REPORT_ABOVE_MS: Final = 1_000
STOP_ENTRIES_ABOVE_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """`ms` is this host's clock minus the venue's, as measured; the true value is at most `uncertainty_ms` away from it."""

    venue: str
    ms: int
    uncertainty_ms: int

    def exceeds(self, limit_ms: int) -> bool:
        """Say whether the clocks are surely further apart than `limit_ms`."""
        return abs(self.ms) - self.uncertainty_ms > limit_ms

    def may_exceed(self, limit_ms: int) -> bool:
        """Say whether the clocks are further apart than `limit_ms` by the measured value alone."""
        return abs(self.ms) > limit_ms

    @property
    def words(self) -> str:
        """Say it to a person."""
        side = "ahead of" if self.ms > 0 else "behind"
        return f"this host's clock is {abs(self.ms) / 1000:.1f} s {side} {self.venue}'s; orders use {self.venue}'s time"
