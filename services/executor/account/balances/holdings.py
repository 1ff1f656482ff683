"""Values what one user's account holds.

By the shared price feed or the account's own last trade, else by the venue, else by a price that is minutes old.

A holding without a known value counts as zero, so that sizes only shrink, and is reported once. `unpriced` are the holdings that
should have a price because the venue lists a pair: while there are any, losses must not be measured against the equity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from services.executor.account.balances.traded_prices import TradedPrices
from services.executor.account.faults import AccountFaults
from shared.bus.state.records import Records
from shared.domain.fault import FaultKind
from shared.domain.valuation import PRICE_SERVES_MS, Valuation, route, smallest_orders, value
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Money, Price
from shared.domain.values.symbol import Symbol
from shared.venues.errors import VenueError
from shared.venues.holdings import owned
from shared.venues.port import Balances, PublicVenue

_PRICE_AGE_MS: Final = 60_000
"""Published prices older than this are read from the venue; while that fails they serve for `PRICE_SERVES_MS`."""

log = structlog.get_logger()


class HoldingsValuer:
    """Values one account repeatedly, and remembers the last prices."""

    def __init__(
        self,
        user: str,
        venue: PublicVenue,
        records: Records,
        clock: Callable[[], int],
        faults: AccountFaults,
        traded: TradedPrices,
    ) -> None:
        self._user = user
        self._venue = venue
        self._records = records
        self._clock = clock
        self._faults = faults
        self._traded = traded
        self._prices: dict[Symbol, tuple[Price, int]] = {}
        self._left_out = ""
        self.marks: Mapping[Symbol, Price] = {}
        """The prices of the last valuation."""
        self.unpriced: tuple[str, ...] = ()
        """Assets whose balance, or whose price on a listed pair, could not be read at the last valuation."""

    async def value(self, balances: Balances, currency: str, instruments: Mapping[Symbol, Instrument]) -> Valuation:
        """Return the value of what is held, and report what has no known value. Raises BusUnavailable."""
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
        self.marks = prices
        self.unpriced = (*(each.asset for each in valued.unvalued if routes.get(each.asset)), *valued.unread)
        self._report_missing(valued.missing)
        return valued

    def _report_missing(self, missing: str) -> None:
        """Log once what the equity leaves out. Only a missing price of a listed pair is a fault: the rest cannot be traded."""
        if missing and missing != self._left_out:
            log.warning("the equity is counted low, so sizes are smaller", user=self._user, missing=missing)
        self._left_out = missing
        if self.unpriced:
            self._faults.report(FaultKind.EQUITY, f"the equity is counted low: {missing}")
        else:
            self._faults.clear(FaultKind.EQUITY)

    async def _known_prices(self, wanted: Iterable[Symbol]) -> dict[Symbol, Price]:
        """Return prices: the shared feed's, else the venue's, else the last known ones, which may be minutes old."""
        pairs = sorted(wanted, key=str)
        if not pairs:
            self._prices.clear()
            return {}
        now = self._clock()
        published = self._traded.among(await self._records.prices_of(self._venue.name, pairs), pairs)
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
