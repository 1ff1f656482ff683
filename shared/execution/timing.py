"""The times that the safety of a send rests on, in one place because they belong together.

What a venue decides is a property of its adapter; what we choose stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.venues.port import Venue

VENUE_TIMEOUT: Final = 5.0
"""Seconds for one call to a venue; an order's own deadline at the venue is as far ahead."""
LEASE_NEEDED: Final = VENUE_TIMEOUT + 1.0
"""Seconds of lease that must be left when a send begins: its time-out and a margin. Its answer must still be ours to write."""
SEARCH_SLACK_MS: Final = 60_000
"""How much earlier than the instant of sending the venue's lists are searched: that instant was measured."""
SECOND: Final = 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """What is waited for at one venue, in ms."""

    visible_after_ms: int
    """How long a fresh order may be missing from the venue's lists."""
    furthest_deadline_ms: int
    """No venue takes a deadline that is further ahead."""

    @property
    def proven_after_ms(self) -> int:
        """From the latest start of a send: from then on, what the venue's lists do not show never happened.

        No less will do: a gateway may have judged the nonce long before the engine sees the order, so that only its deadline
        ends it.
        """
        return int(VENUE_TIMEOUT * SECOND) + self.visible_after_ms


def timing_of(venue: Venue) -> Timing:
    """Read what a venue's adapter says of its times."""
    return Timing(venue.visible_after_ms, venue.furthest_deadline_ms)
