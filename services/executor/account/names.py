"""The asset names of one turn: the operator's table of renamed assets, and the venue's own.

Fixed for a whole turn, because symbol queues depend on them: when they change, a new turn begins.
"""

from __future__ import annotations

from shared.domain.rename import NO_RENAMES, Renames
from shared.venues.port import Venue


class AssetNames:
    """The asset names of one account in one turn."""

    def __init__(self, venue: Venue, table: Renames = NO_RENAMES) -> None:
        """`table` is the operator's at the start of the turn; the venue has not been asked yet."""
        self._venue = venue
        self.table = table
        self.renames = NO_RENAMES
        """The operator's table and the venue's renames."""
        self.known = False
        """Whether the venue has confirmed these names: it may not have answered when the turn began."""

    async def learn(self) -> None:
        """Read the venue's renames for this turn. Raises VenueError: then only the operator's table applies."""
        self.renames = self.table
        self.renames = self.table.plus(await self._venue.renames())
        self.known = True

    async def hold(self) -> bool:
        """Return whether the venue confirms the names of this turn; if not, a new turn is about to begin. Raises VenueError."""
        self.known = self.known or self.renames == self.table.plus(await self._venue.renames())
        return self.known
