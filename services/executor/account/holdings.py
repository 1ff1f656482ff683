"""Values what one user's account holds: by the shared price feed, by the venue for what that lacks, by a price of minutes ago.

What has no known value counts nothing, so that sizes only shrink; it is named, and told once. `unpriced` says which holdings
should have a price, because the venue lists a pair: as long as there are any, losses must not be measured against the equity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from services.executor.account.faults import AccountFaults
from shared.bus.records import Records
from shared.domain.fault import FaultKind
from shared.domain.valuation import PRICE_SERVES_MS, Valuation, route, smallest_orders, value
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Money, Price
from shared.domain.values.symbol import Symbol
from shared.venues.errors import VenueError
from shared.venues.holdings import owned
from shared.venues.port import Balances, PublicVenue

_PRICE_AGE_MS: Final = 60_000
"""Published prices older than this are asked for anew; while that fails they serve for `PRICE_SERVES_MS`."""

log = structlog.get_logger()


class HoldingsValuer:
    """Values one account again and again, and remembers the last prices."""

    def __init__(
        self, user: str, venue: PublicVenue, records: Records, clock: Callable[[], int], faults: AccountFaults
    ) -> None:
        self._user = user
        self._venue = venue
        self._records = records
        self._clock = clock
        self._faults = faults
        self._prices: dict[Symbol, tuple[Price, int]] = {}
        self._left_out = ""
        self.unpriced: tuple[str, ...] = ()
        """Assets whose balance, or whose price on a listed pair, could not be read at the last valuation."""

    async def value(self, balances: Balances, currency: str, instruments: Mapping[Symbol, Instrument]) -> Valuation:
        """Value what is held, and tell once what has no known value. Raises BusUnavailable."""
        holdings = owned(balances)
        routes = {
            asset: route(asset, currency, instruments)
            for asset, amount in holdings.items()
            if amount != 0 and asset != currency
        }
        prices = await self._known_prices({pair for pairs in routes.values() for pair in pairs})
        unpriced = [asset for asset, pairs in routes.items() if not pairs or any(pair not in prices for pair in pairs)]
        pairs_of = instruments.values() if unpriced else ()
        minimums = smallest_orders(((each.symbol, each.min_size) for each in pairs_of), unpriced)
        cash = Money(holdings.get(currency, ZERO), currency)
        valued = value(cash, holdings, prices, minimums=minimums, unread=balances.unreadable)
        self.unpriced = (*(each.asset for each in valued.unvalued if routes.get(each.asset)), *valued.unread)
        self._tell(valued.missing)
        return valued

    def _tell(self, missing: str) -> None:
        """Say once what is left out of the equity. Only a price that should be there is a fault: no pair trades the rest."""
        if missing and missing != self._left_out:
            log.warning("the equity is counted low, so sizes are smaller", user=self._user, missing=missing)
        self._left_out = missing
        if self.unpriced:
            self._faults.report(FaultKind.EQUITY, f"the equity is counted low: {missing}")
        else:
            self._faults.clear(FaultKind.EQUITY)

    async def _known_prices(self, wanted: Iterable[Symbol]) -> dict[Symbol, Price]:
        """Take the shared feed's prices; what it lacks is asked of the venue, and what that lacks may be some minutes old."""
        pairs = sorted(wanted, key=str)
        if not pairs:
            self._prices.clear()
            return {}
        now = self._clock()
        published = await self._records.prices_of(self._venue.name, pairs)
        fresh = {symbol for symbol, (_, at) in published.items() if at >= now - _PRICE_AGE_MS}
        asked: Mapping[Symbol, Price] = {}
        if missing := [symbol for symbol in pairs if symbol not in fresh]:
            try:
                asked = await self._venue.prices(missing)
            except VenueError as error:
                log.warning("prices of holdings could not be read", user=self._user, reason=str(error))
        newest = {
            symbol: max(known, self._prices.get(symbol, known), key=_instant) for symbol, known in published.items()
        }
        before = {symbol: known for symbol, known in self._prices.items() if symbol in pairs}
        self._prices = before | newest | {symbol: (price, now) for symbol, price in asked.items()}
        return {symbol: price for symbol, (price, at) in self._prices.items() if at >= now - PRICE_SERVES_MS}


def _instant(known: tuple[Price, int]) -> int:
    return known[1]
