"""Values what one user's account holds: by the shared price feed, else by the venue, else by a price that is minutes old.

The feed knows pairs that are not held only every 15 s. So what the account has just traded is valued by its own trade until the
feed has a later price.

A holding without a known value counts as zero, so that sizes only shrink, and is reported once. `unpriced` are the holdings that
should have a price because the venue lists a pair: while there are any, losses must not be measured against the equity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from shared.venues.port import Balances, PublicVenue, VenueOrder

_PRICE_AGE_MS: Final = 60_000
"""Published prices older than this are read from the venue; while that fails they serve for `PRICE_SERVES_MS`."""

log = structlog.get_logger()


class HoldingsValuer:
    """Values one account repeatedly, and remembers the last prices."""

    def __init__(
        self, user: str, venue: PublicVenue, records: Records, clock: Callable[[], int], faults: AccountFaults
    ) -> None:
        self._user = user
        self._venue = venue
        self._records = records
        self._clock = clock
        self._faults = faults
        self._prices: dict[Symbol, tuple[Price, int]] = {}
        self._paid: dict[Symbol, tuple[Price, int]] = {}
        """The average price of the last trade in each pair, while it may be later than what is published."""
        self._left_out = ""
        self.unpriced: tuple[str, ...] = ()
        """Assets whose balance, or whose price on a listed pair, could not be read at the last valuation."""

    def traded(self, order: VenueOrder) -> None:
        """Note the price at which the account itself has traded."""
        if order.average_price is not None and order.closed_at is not None:
            self._paid[order.symbol] = order.average_price, order.closed_at

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
        self._paid = {symbol: known for symbol, known in self._paid.items() if known[1] >= now - _PRICE_AGE_MS}
        published = await self._published(pairs)
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

    async def _published(self, pairs: Sequence[Symbol]) -> dict[Symbol, tuple[Price, int]]:
        """Return what is published of some pairs, or the account's own trade where that is later."""
        known = await self._records.prices_of(self._venue.name, pairs)
        for symbol in self._paid.keys() & set(pairs):
            known[symbol] = max(known.get(symbol, self._paid[symbol]), self._paid[symbol], key=_instant)
        return known


def _instant(known: tuple[Price, int]) -> int:
    return known[1]
