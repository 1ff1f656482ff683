"""What an account has to sell, read once the venue has refused a sale for insufficient funds.

Balances lag behind fills, so at first the recorded position counts, and the sale is tried again. Two things end that. A
rounding difference (`crumb`) that the venue credited less than it had filled is written off at once. After some refusals the
account's total counts: its owner has sold or moved the rest. A balance that lags must never be taken for either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.domain.exits import credited_short
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Price, Quantity
from shared.venues.port import Venue

BALANCE_LAG_TRIES: Final = 4
"""How many refusals for funds are taken for a balance that lags behind its fill; after that the account's total counts."""


@dataclass(slots=True)
class ExitFunds:
    """What is known of the funds of one exit."""

    refusals: int = 0
    """How often the venue has refused it for insufficient funds."""
    has: Quantity | None = None
    """The account's total, once that counts. It includes what open orders of the user hold, which will be free again, but not
    what is staked or lent out."""
    crumb: Quantity | None = None
    """The rounding difference that is not sold because the venue never credited it."""

    async def look(self, venue: Venue, asset: str) -> Quantity | None:
        """Read the spot balance if the venue has refused for funds; else return None. Raises a VenueError."""
        if self.refusals == 0:
            return None
        balance = (await venue.balances()).get(asset)
        spot = Quantity(balance.total if balance else ZERO, asset)
        self.has = spot if self.refusals > BALANCE_LAG_TRIES else None
        return spot

    def without_crumb(
        self, wanted: Quantity, spot: Quantity | None, instrument: Instrument, price: Price
    ) -> Quantity | None:
        """Return what to sell if the account lacks only a rounding difference of `wanted`, and note it; else None."""
        left = None if spot is None else credited_short(wanted, spot, instrument, price)
        if left is not None:
            self.crumb = wanted - left
        return left
