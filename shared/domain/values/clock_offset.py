"""The offset of this host's clock from a venue's, and the limits above which it is reported or stops entries.

Orders use the venue's time, so a wrong clock here costs no exit. It is a fault nevertheless: Redis, the tools and the logs of
this host use it. Above the higher limit no entry is sent; exits always are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REPORT_ABOVE_MS: Final = 1_000
STOP_ENTRIES_ABOVE_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """`ms` is this host's clock minus the venue's, as measured; the true value is within `uncertainty_ms` of it."""

    venue: str
    ms: int
    uncertainty_ms: int

    def exceeds(self, limit_ms: int) -> bool:
        """Return whether the clocks are certainly further apart than `limit_ms`."""
        return abs(self.ms) - self.uncertainty_ms > limit_ms

    def may_exceed(self, limit_ms: int) -> bool:
        """Return whether the measured offset exceeds `limit_ms`, whatever its uncertainty."""
        return abs(self.ms) > limit_ms

    @property
    def words(self) -> str:
        """Describe the offset for people."""
        side = "ahead of" if self.ms > 0 else "behind"
        return f"this host's clock is {abs(self.ms) / 1000:.1f} s {side} {self.venue}'s; orders use {self.venue}'s time"
