"""The master's account as the others see it: equity, cash, prices and pairs, published from what the venue says.

A refresh that fails leaves the last known figures with their age; a balance is never taken for zero, and an equity that is too
old stops entries. The venue's counters are shared with the orders, so it asks seldom: at intervals, and once after fills.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import structlog

from services.master_strategy.clock import Clock
from shared.bus.records import Records
from shared.domain.account import MASTER, Account, AccountState, equity
from shared.domain.instrument import Instrument
from shared.domain.master_account import coin_of
from shared.domain.money import ZERO, Money, Price, Quantity
from shared.domain.symbol import Symbol
from shared.venues.errors import OutcomeUnknown, Unavailable
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
        self, venue: Venue, records: Records, clock: Clock, *, symbols: Sequence[Symbol], currency: str
    ) -> None:
        self._venue = venue
        self._records = records
        self._clock = clock
        self._symbols = symbols
        self._balances = Balances({})
        self._balances_at = 0
        self._prices: dict[Symbol, Price] = {}
        self._pairs_read_at = 0
        self._read_at = 0
        self._filled = False
        self.currency = currency
        self.taker_fee = Decimal("0.004")
        self.instruments: Mapping[Symbol, Instrument] = {}
        self.equity = Money(ZERO, currency)

    async def connect(self) -> None:
        """Read everything for the first time and publish the account as ready.

        The balances come first: the first private call of a new owner voids whatever a predecessor signed.
        """
        await self.read_balances()
        self.taker_fee = await self._venue.taker_fee(self._symbols[0])
        await self._publish_pairs()
        missing = [str(symbol) for symbol in self._symbols if symbol not in self.instruments]
        if missing:
            _log.warning("the venue does not list these symbols; they are not traded", symbols=missing)
        await self.refresh()

    async def refresh(self) -> None:
        """Read balances and prices, and publish them. Raises the venue's errors; then the last figures stand."""
        asked = self._clock.now()
        self._filled = False  # before the question: a fill during it is not in the answer for sure
        balances = await self.read_balances()
        if balances.unreadable:
            raise Unavailable(f"the balance of {', '.join(sorted(balances.unreadable))} could not be read")
        wanted = self._priced(balances)
        prices = await self._venue.prices(wanted)
        self._read_at = asked
        self._prices |= prices
        unpriced = [str(symbol) for symbol in wanted if symbol not in self._prices]
        if unpriced:
            _log.warning("no price: what is held of it does not count in the equity", symbols=unpriced)
        cash = balances.get(self.currency, Balance(self.currency, ZERO, ZERO))
        totals = {asset: balance.total for asset, balance in balances.items()}
        self.equity = equity(Money(cash.total, self.currency), totals, self._prices)
        await self._records.write_prices(self._venue.name, prices.values(), asked)
        await self._records.write_account(
            Account(
                user=MASTER,
                venue=self._venue.name,
                state=AccountState.READY,
                reason="",
                equity=self.equity,
                cash=Money(cash.free, self.currency),
                taker_fee=self.taker_fee,
                as_of=asked,
            )
        )

    async def read_balances(self) -> Balances:
        """Read the balances alone. Raises the venue's errors; then the last ones stand."""
        asked = self._clock.now()
        self._balances = await self._venue.balances()
        self._balances_at = asked
        return self._balances

    @property
    def balances(self) -> Balances:
        """The balances as last read."""
        return self._balances

    @property
    def read_at(self) -> int:
        """When the balances were asked for (epoch ms): what was filled since then is not in them for sure."""
        return self._balances_at

    def total(self, coin: str) -> Quantity:
        """Return all that the account holds of a coin: free, held by open orders, lent out and staked."""
        return Quantity(
            sum((each.total for asset, each in self._balances.items() if coin_of(asset) == coin), ZERO), coin
        )

    def coins(self) -> set[str]:
        """Name the coins that the account holds."""
        return {coin_of(asset) for asset, each in self._balances.items() if each.total > 0}

    async def run(self) -> None:
        """Refresh for ever, through the venue's outages; a refusal ends the session."""
        while True:
            await self._clock.sleep(_TICK)
            try:
                await self.refresh_if_due()
            except (Unavailable, OutcomeUnknown) as failure:
                _log.warning("account not refreshed: the venue gives no answer", words=str(failure))
                await self._clock.sleep(_AFTER_A_FAILURE)

    async def refresh_if_due(self) -> None:
        """Refresh when the figures are old, or a fill has changed them a while ago."""
        age = self._clock.now() - self._read_at
        if age >= _EVERY or (self._filled and age >= _AFTER_A_FILL):
            if self._clock.now() - self._pairs_read_at >= _PAIRS_EVERY:
                await self._publish_pairs()
            await self.refresh()

    def note_fill(self) -> None:
        """Have the account read again soon."""
        self._filled = True

    @property
    def stale(self) -> bool:
        """Whether the equity is too old to size an entry by."""
        return self._clock.now() - self._read_at > _STALE

    def free(self, asset: str) -> Quantity:
        """Give what the venue let go of at the last refresh; it lags behind fills."""
        balance = None if asset in self._balances.unreadable else self._balances.get(asset)
        return Quantity(balance.free if balance else ZERO, asset)

    @property
    def cash(self) -> Money:
        """Give the free cash as of the last refresh."""
        return Money(self.free(self.currency).amount, self.currency)

    def _priced(self, balances: Mapping[str, Balance]) -> list[Symbol]:
        held = (Symbol(asset, self.currency) for asset, balance in balances.items() if balance.total > 0)
        return sorted({*self._symbols, *held} & self.instruments.keys(), key=str)

    async def _publish_pairs(self) -> None:
        self.instruments = await self._venue.instruments()
        self._pairs_read_at = self._clock.now()
        quoted = [each for each in self.instruments.values() if each.symbol.quote == self.currency]
        await self._records.write_instruments(self._venue.name, quoted)
