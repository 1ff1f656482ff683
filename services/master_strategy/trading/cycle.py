"""One turn of the strategy: read the candles, let the strategy decide about the new ones, execute its intents.

A symbol is acted upon once per committed candle. If its data is missing, short or stale it is held, and that is logged: nothing
must ever be sold because data is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.trading.trader import Trader
from shared.domain.reason import ReasonCode
from shared.domain.sizing import master_equity_unknown
from shared.domain.skip import Skip
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.strategies.candle_window import Freshness, Hold, window
from shared.strategies.order_plan import OrderPlan, plan_entry, plan_exit
from shared.strategies.port import Context, Enter, Exit, Holding, Intent, Strategy
from shared.strategies.settings import StrategySettings
from shared.venues.errors import VenueError
from shared.venues.port import Candle, PublicVenue

MODE: Final = "MASTER (full strategy)"
_QUIET_LINE_EVERY: Final = 30_000  # ms between lines of turns in which nothing happens
_HOLDING: Final = "holding: "
_SOON: Final = 5.0  # seconds to the next look when live data is late
_AFTER_DUE: Final = 1.0  # seconds after a live candle's end at which the venue lists it

_log = structlog.get_logger(__name__)


class Cycle:
    """Runs turns for ever. `live`: market time is the wall clock, so the time of the next candle is known."""

    def __init__(
        self,
        *,
        venue: PublicVenue,
        strategy: Strategy,
        settings: StrategySettings,
        book: MasterBook,
        mirror: AccountMirror,
        trader: Trader,
        clock: Clock,
        live: bool,
    ) -> None:
        self._venue = venue
        self._strategy = strategy
        self._settings = settings
        self._book = book
        self._mirror = mirror
        self._trader = trader
        self._clock = clock
        self._live = live
        self._candle_ms = settings.interval_minutes * 60_000
        self._slippage = settings.limit_slippage_bps if settings.order_type == "limit" else None
        self._fresh = {
            symbol: Freshness(settings.interval_minutes, market_time_is_wall_time=live) for symbol in settings.symbols
        }
        self._acted_on: dict[Symbol, int] = {}
        self._logged: dict[Symbol, str] = {}
        self._last_entry = 0
        self._last_line = 0

    async def run(self) -> None:
        """Run turns for ever."""
        while True:
            await self.turn()
            await self._clock.sleep(self.pause())

    async def turn(self) -> None:
        """Decide once about every symbol with a new candle."""
        windows = await self._windows()
        new = {
            symbol: candles
            for symbol, candles in windows.items()
            if candles[-1].opened_at > self._acted_on.get(symbol, -1)
        }
        now = max((candles[-1].opened_at for candles in new.values()), default=0) + self._candle_ms
        context = Context(now=now, candles=new, holdings=self._holdings(), equity=self._mirror.worth)
        intents = self._strategy.decide(context)
        for symbol, candles in new.items():
            self._acted_on[symbol] = candles[-1].opened_at
        sent = [self._act(intent, new[intent.symbol][-1]) for intent in intents if intent.symbol in new]
        self._log_quiet_turn(windows.keys(), sum(sent))

    def pause(self) -> float:
        """Return the seconds to the next turn: until the next candle in live mode, the set interval at the paper exchange."""
        if not self._live:
            return self._settings.poll_seconds
        due = min(fresh.next_due() for fresh in self._fresh.values())
        return max((due - self._clock.now()) / 1000 + _AFTER_DUE, _SOON, self._settings.poll_seconds)

    async def _windows(self) -> Mapping[Symbol, Sequence[Candle]]:
        symbols = [symbol for symbol in self._settings.symbols if symbol in self._mirror.instruments]
        found = await asyncio.gather(*(self._window(symbol) for symbol in symbols))
        usable = {}
        for symbol, verdict in zip(symbols, found, strict=True):
            if isinstance(verdict, Hold):
                self._log_once(symbol, f"{_HOLDING}{verdict.reason}")
            else:
                usable[symbol] = verdict
        return usable

    async def _window(self, symbol: Symbol) -> Sequence[Candle] | Hold:
        try:
            candles = await self._venue.candles(symbol, self._settings.interval_minutes)
        except VenueError as failure:
            return Hold(f"candles missing: {failure}")
        verdict = window(candles, self._strategy.needs, self._settings.interval_minutes)
        if isinstance(verdict, Hold):
            return verdict
        stale = self._fresh[symbol].stale(verdict[-1], self._clock.now())
        return Hold(stale) if stale else verdict

    def _holdings(self) -> Mapping[Symbol, Holding]:
        """Return what can be sold of what the strategy bought itself; dust below the venue's minimum does not count."""
        held: dict[Symbol, Holding] = {}
        for symbol, position in self._book.own.held().items():
            instrument = self._mirror.instruments.get(symbol)
            if instrument is not None and position.size.amount >= instrument.min_size:
                paid = Price(position.cost.amount / position.size.amount, symbol)
                held[symbol] = Holding(position.size, paid, position.opened_at)
        return held

    def _act(self, intent: Intent, candle: Candle) -> bool:
        symbol = intent.symbol
        if not self._trader.available(symbol):
            return False
        price = Price(candle.close, symbol)
        instrument = self._mirror.instruments[symbol]
        if isinstance(intent, Exit):
            plan = plan_exit(
                intent,
                instrument,
                price,
                position=self._book.own.position(symbol),
                free=self._mirror.free(symbol.base) if self._trader.refused_for_funds(symbol) else None,
                slippage_bps=self._slippage,
            )
        elif self._clock.now() - self._last_entry < self._settings.entry_gap_seconds * 1000:
            return False
        elif off := self._clock.refusal():
            plan = Skip(off, ReasonCode.CLOCK)
        else:
            plan = self._plan_entry(intent, price)
        if isinstance(plan, Skip):
            self._log_once(symbol, f"no order: {plan.reason}")
            return False
        own = self._trader.start(symbol, plan)
        if isinstance(intent, Enter):
            self._last_entry = self._clock.now()
        self._logged.pop(symbol, None)
        _log.info(MODE, does=own.kind.value, symbol=str(symbol), size=str(own.size), why=intent.reason, order_id=own.id)
        return True

    def _plan_entry(self, intent: Enter, price: Price) -> OrderPlan | Skip:
        """Size an entry; none without a known equity, because no user could copy it."""
        mirror, symbol = self._mirror, intent.symbol
        if (equity := mirror.equity) is None:
            return master_equity_unknown(mirror.equity_reason)
        return plan_entry(
            intent,
            mirror.instruments[symbol],
            price,
            equity=equity,
            cash=mirror.cash,
            taker_fee=mirror.fees.of(symbol),
            slippage_bps=self._slippage,
        )

    def _log_once(self, symbol: Symbol, what: str) -> None:
        """Log why a symbol is left alone, once per reason."""
        if self._logged.get(symbol) != what:
            self._logged[symbol] = what
            _log.warning(MODE, symbol=str(symbol), does=what)

    def _log_quiet_turn(self, seen: Collection[Symbol], sent: int) -> None:
        """Log a turn in which nothing happened, at intervals."""
        now = self._clock.now()
        for symbol in seen:
            if self._logged.get(symbol, "").startswith(_HOLDING):
                self._logged.pop(symbol)
        if sent:
            self._last_line = now
        elif now - self._last_line >= _QUIET_LINE_EVERY:
            self._last_line = now
            held = ", ".join(str(each.size) for each in self._holdings().values()) or "nothing"
            _log.info(
                MODE,
                does=f"watches {len(seen)} symbols",
                holds=held,
                equity=str(self._mirror.equity or "not fully known"),
            )
