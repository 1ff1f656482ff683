"""Under which names a turn knows assets: the operator's table of renamed ones, and what the venue itself says.

The same for a whole turn, since symbols' queues go by it: where it does not hold any more, another turn begins.
"""

from __future__ import annotations

from shared.domain.rename import NO_RENAMES, Renames
from shared.venues.port import Venue


class AssetNames:
    """The names of one account's assets in one turn."""

    def __init__(self, venue: Venue, table: Renames = NO_RENAMES) -> None:
        """`table` is the operator's, as the turn begins with it; the venue has not been asked yet."""
        self._venue = venue
        self.table = table
        self.renames = NO_RENAMES
        """The table and what the venue says."""
        self.known = False
        """Whether the venue has said that it goes by these names: it may not have answered when the turn began."""

    async def learn(self) -> None:
        """Ask the venue, for this turn. Raises VenueError: then the operator's table counts alone."""
        self.renames = self.table
        self.renames = self.table.plus(await self._venue.renames())
        self.known = True

    async def hold(self) -> bool:
        """Return whether this turn goes by the venue's names; if not, another turn is about to begin. Raises VenueError."""
        self.known = self.known or self.renames == self.table.plus(await self._venue.renames())
        return self.known
