"""Publishes the master's account for the other services: equity, cash, prices and pairs, as the venue states them.

A refresh that fails leaves the last figures with their age; a missing balance is never zero. Users' sizes are divided by the
equity: one that is too old, or that contains a holding without a known value, counts as unknown and stops entries. The venue's
rate counters are shared with the orders, so it reads seldom: at intervals, and once after fills.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final

import structlog

from services.master_strategy.clock import Clock
from shared.bus.state.records import Records
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.fault import FaultKind, Faults
from shared.domain.sizing import master_equity_unknown
from shared.domain.valuation import PRICE_SERVES_MS, Valuation, route, smallest_orders, value
from shared.domain.values.fees import TakerFees
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import OutcomeUnknown, Unavailable
from shared.venues.holdings import owned
from shared.venues.port import Balance, Balances, Venue

_EVERY: Final = 15_000  # ms between refreshes
_AFTER_A_FILL: Final = 10_000  # ms between refreshes while fills come in
_PAIRS_EVERY: Final = 600_000  # ms; the adapter keeps its list as long
_STALE: Final = 90_000  # ms after which the equity is too old to size an entry by
_AFTER_A_FAILURE: Final = 5.0
_TICK: Final = 1.0

_log = structlog.get_logger(__name__)


class AccountMirror:
    """The last known state of the master's account, in `currency`."""

    def __init__(
        self,
        venue: Venue,
        records: Records,
        clock: Clock,
        *,
        symbols: Sequence[Symbol],
        currency: str,
        ignored: Collection[str] = (),
        faults: Faults | None = None,
        subject: str = MASTER,
        owner: str = MASTER,
    ) -> None:
        """`ignored` assets are deliberately left out of the equity."""
        self._venue = venue
        self._owner = owner
        self._records = records
        self._clock = clock
        self._symbols = symbols
        self._balances = Balances({})
        self._balances_at = 0
        self._prices: dict[Symbol, tuple[Price, int]] = {}
        """The last price of each pair needed for the valuation, and when it was requested (epoch ms)."""
        self._ignored = frozenset(ignored)
        self._faults = faults or Faults()
        self._subject = subject
        self._pairs_read_at = 0
        self._read_at = 0
        self._filled = False
        self._moved = False
        self.currency = currency
        self.fees = TakerFees(venue.name, symbols)
        self.instruments: Mapping[Symbol, Instrument] = {}
        self._valuation = Valuation(Money(ZERO, currency))

    async def connect(self) -> None:
        """Read everything for the first time and publish the account as ready.

        The balances come first: where requests carry nonces, the first private call of a new owner voids what a predecessor
        signed. No proof depends on that: what a predecessor sent is followed by its record, until its deadline has passed.
        """
        await self.read_balances()
        await self._publish_pairs()
        await self._ask_fee()
        missing = [str(symbol) for symbol in self._symbols if symbol not in self.instruments]
        if missing:
            _log.warning("the venue does not list these symbols; they are not traded", symbols=missing)
        await self.refresh()

    async def refresh(self) -> None:
        """Read balances and prices, and publish them. Raises the venue's errors; the last figures then stay."""
        asked = self._clock.now()
        self._filled = self._moved = False  # before reading: the answer may not include a fill during it
        balances = await self.read_balances()
        cash = balances.get(self.currency, Balance(self.currency, ZERO, ZERO))
        prices = await self._ask_prices(self._priced(balances))
        self._read_at = asked
        self._prices |= {symbol: (price, asked) for symbol, price in prices.items()}
        self._value(balances, asked)
        await self._records.write_prices(self._venue.name, prices.values(), asked)
        await self._records.write_account(
            Account(
                user=self._owner,
                venue=self._venue.name,
                state=AccountState.READY,
                reason=self.equity_reason,
                equity=self.equity,
                cash=Money(cash.free, self.currency),
                taker_fee=self.fees.dearest,
                as_of=asked,
            )
        )
        with suppress(Unavailable, OutcomeUnknown):  # an unknown fee counts as the highest
            await self._ask_fee()

    async def read_balances(self) -> Balances:
        """Read the balances only. Raises the venue's errors; the last ones then stay."""
        asked = self._clock.now()
        balances = await self._venue.balances()
        if self.instruments:  # an asset may have been renamed since: the adapter reads its list again then
            self.instruments = await self._venue.instruments()
        self._balances = balances
        self._balances_at = asked
        return self._balances

    @property
    def balances(self) -> Balances:
        """The balances as last read."""
        return self._balances

    @property
    def read_at(self) -> int:
        """When the balances were requested (epoch ms): they may not include fills since then."""
        return self._balances_at

    def total(self, coin: str) -> Quantity:
        """Return all that the account holds of a coin: free, held by open orders, lent out and staked."""
        return Quantity(owned(self._balances).get(coin, ZERO), coin)

    def coins(self) -> set[str]:
        """Return the coins that the account holds."""
        return {coin for coin, total in owned(self._balances).items() if total > 0}

    async def run(self) -> None:
        """Refresh for ever, through the venue's outages; a refusal ends the session."""
        while True:
            await self._clock.sleep(_TICK)
            try:
                await self.refresh_if_due()
            except (Unavailable, OutcomeUnknown) as failure:
                _log.warning("account not refreshed: the venue gives no answer", words=str(failure))
                if self.stale:
                    why = master_equity_unknown(self.equity_reason).reason
                    self._faults.report(FaultKind.EQUITY, self._subject, why, blocks=True)
                await self._clock.sleep(_AFTER_A_FAILURE)

    async def refresh_if_due(self) -> None:
        """Refresh if the figures are old, or some time after a fill has changed them."""
        age = self._clock.now() - self._read_at
        if age >= _EVERY or self._moved or (self._filled and age >= _AFTER_A_FILL):
            if self._clock.now() - self._pairs_read_at >= _PAIRS_EVERY:
                await self._publish_pairs()
            await self.refresh()

    async def _ask_prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Read prices; if the venue does not answer, the last ones serve until the valuation finds them too old."""
        try:
            return await self._venue.prices(symbols)
        except (Unavailable, OutcomeUnknown) as failure:
            if not self._prices:
                raise
            _log.warning("prices not read: the last ones serve for a while", words=str(failure))
            return {}

    def _value(self, balances: Balances, now: int) -> None:
        """Value the account, and report holdings without a known value, once at the beginning and once at the end."""
        holdings = owned(balances)
        oldest = now - PRICE_SERVES_MS
        self._valuation = valued = value(
            Money(holdings.get(self.currency, ZERO), self.currency),
            holdings,
            {symbol: price for symbol, (price, at) in self._prices.items() if at >= oldest},
            minimums=smallest_orders(((each.symbol, each.min_size) for each in self.instruments.values()), holdings),
            ignored=self._ignored,
            unread=balances.unreadable,
        )
        if valued.whole:
            if self._faults.clear(FaultKind.EQUITY, self._subject):
                _log.info("the master's equity is fully known again", equity=str(valued.worth))
        elif self._faults.report(
            FaultKind.EQUITY, self._subject, master_equity_unknown(valued.missing).reason, blocks=True
        ):
            _log.error(
                "the master's equity is not fully known: entries are skipped where sizes depend on it",
                missing=valued.missing,
                known=str(valued.worth),
            )

    async def _ask_fee(self) -> None:
        """Read the fee of one pair, of each traded pair in turn, so that a refresh takes at most one such call."""
        symbol = self.fees.next()
        if symbol is None:
            return
        if symbol in self.instruments:
            self.fees.learn(symbol, await self._venue.taker_fee(symbol))
        else:
            self.fees.forget(symbol)

    def note_fill(self) -> None:
        """Request a refresh soon: an order has changed the account."""
        self._filled = True

    def note_funds_moved(self) -> None:
        """Request a refresh at once: something other than an order has changed the account."""
        self._moved = True

    @property
    def stale(self) -> bool:
        """Whether the equity is too old to size an entry by."""
        return self._clock.now() - self._read_at > _STALE

    @property
    def equity(self) -> Money | None:
        """The equity as of the last refresh; None if it is not fully known, or was read too long ago."""
        return None if self.stale else self._valuation.equity

    @property
    def equity_reason(self) -> str:
        """Why the equity is not known; an empty text if it is."""
        if self.stale:
            return f"it has not been read for {_STALE // 1000} s"
        return self._valuation.missing

    @property
    def worth(self) -> Money:
        """The equity without holdings of unknown value: for display, never for a ratio."""
        return self._valuation.worth

    def price(self, symbol: Symbol) -> Price | None:
        """Return the last price of a symbol as of the last refresh; None if there is none."""
        known = self._prices.get(symbol)
        return None if known is None else known[0]

    def free(self, asset: str) -> Quantity:
        """Return the free balance as of the last refresh; it lags behind fills."""
        balance = None if asset in self._balances.unreadable else self._balances.get(asset)
        return Quantity(balance.free if balance else ZERO, asset)

    @property
    def cash(self) -> Money:
        """Return the free cash as of the last refresh."""
        return Money(self.free(self.currency).amount, self.currency)

    def _priced(self, balances: Mapping[str, Balance]) -> list[Symbol]:
        held = (
            route(asset, self.currency, self.instruments)
            for asset, amount in owned(balances).items()
            if amount != 0 and asset != self.currency
        )
        return sorted({*self._symbols, *chain.from_iterable(held)} & self.instruments.keys(), key=str)

    async def _publish_pairs(self) -> None:
        self.instruments = await self._venue.instruments()
        self._pairs_read_at = self._clock.now()
        quoted = [each for each in self.instruments.values() if each.symbol.quote == self.currency]
        await self._records.write_instruments(self._venue.name, quoted)
