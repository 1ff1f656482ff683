"""What the rest of the executor asks of mirrored orders. The base class is that of an account without any."""

from __future__ import annotations

from shared.domain.order import Decision
from shared.domain.values.symbol import Symbol


class MirrorGate:
    """Nothing is mirrored: every fill is copied, no exit has to wait."""

    @property
    def symbols(self) -> frozenset[Symbol]:
        """The symbols with an order that rests at the venue: it may have filled what is not in the books yet."""
        return frozenset()

    async def takes_fill(self, decision: Decision) -> bool:
        """Return whether a fill is not to be copied, because the master's order is mirrored. Raises LeaseLost, BusUnavailable."""
        del decision
        return False

    async def make_room(self, decision: Decision) -> None:
        """Return when no resting sale holds what an exit has to sell: such sales are cancelled, and their ends are proved.

        To be called in the symbol's queue. Raises LeaseLost, BusUnavailable.
        """
        del decision
