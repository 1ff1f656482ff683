"""What an account has to sell, looked at once the venue has refused a sale for want of it.

Balances lag behind fills, so at first the position's own record counts, and a refusal is tried again. Two things end that. A
crumb that the venue credited less than it had filled (rounding) is written off at once. After some refusals what the account has
in all counts: its owner has sold or moved the rest. A balance that lags must never be taken for either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.domain.exits import credited_short
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Price, Quantity
from shared.venues.port import Venue

BALANCE_LAG_TRIES: Final = 4
"""How often a refusal for want of funds is taken for a balance that lags behind its fill; then what the account has counts."""


@dataclass(slots=True)
class ExitFunds:
    """What is known of the funds of one exit."""

    refusals: int = 0
    """How often the venue has refused it for want of funds."""
    has: Quantity | None = None
    """What the account has in all, once that counts. What an open order of the user's own holds will be free again: it is part of
    it. What is staked or lent out is not."""
    crumb: Quantity | None = None
    """What is not sold because the venue never credited it."""

    async def look(self, venue: Venue, asset: str) -> Quantity | None:
        """Ask for the spot balance if the venue has said that funds are short, else give None. Raises a VenueError."""
        if self.refusals == 0:
            return None
        balance = (await venue.balances()).get(asset)
        spot = Quantity(balance.total if balance else ZERO, asset)
        self.has = spot if self.refusals > BALANCE_LAG_TRIES else None
        return spot

    def without_crumb(
        self, wanted: Quantity, spot: Quantity | None, instrument: Instrument, price: Price
    ) -> Quantity | None:
        """Return what to sell if all that `wanted` lacks in the account is a crumb, and note it; else None."""
        left = None if spot is None else credited_short(wanted, spot, instrument, price)
        if left is not None:
            self.crumb = wanted - left
        return left
