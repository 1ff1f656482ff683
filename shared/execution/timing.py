"""The times that the safety of a send rests on, in one place because they belong together."""

from typing import Final

VENUE_TIMEOUT: Final = 5.0
"""Seconds for one call to a venue; an order's own deadline at the venue is as far ahead."""
VISIBLE_AFTER_MS: Final = 3_000
"""How long a fresh order may be missing from a venue's lists (shared/venues/kraken/KRAKEN.md, K10)."""
PROVEN_AFTER_MS: Final = int(VENUE_TIMEOUT * 1000) + VISIBLE_AFTER_MS
"""From the latest start of a send: from then on, what the venue's lists do not show never happened. No less will do: a gateway
may have judged the nonce long before the engine sees the order, so that only its deadline ends it."""
LANE_PATIENCE_MS: Final = 15_000
"""How long an order may wait for its account's lane before it is given back to be planned anew."""
