"""One turn of a strategy: read the candles, let the strategy decide about the new ones, execute its intents.

A symbol is acted upon once per committed candle. If its data is missing, short or stale it is held, and that is logged: nothing
must ever be sold because data is missing. A strategy that fails is paused, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.plugins.runner import Runner
from services.master_strategy.trading.candle_reader import CandleReader
from services.master_strategy.trading.exits import Exits
from services.master_strategy.trading.modes import MASTER_MODE
from services.master_strategy.trading.trader import Trader
from shared.bus.master.master_account import MasterRecords, read_entries_of
from shared.contracts.fields import MalformedMessageError
from shared.domain.reason import ReasonCode
from shared.domain.sizing import master_equity_unknown
from shared.domain.skip import Skip
from shared.domain.values.money import ZERO, Price
from shared.domain.values.symbol import Symbol
from shared.strategies.candle_clock import CandleClock
from shared.strategies.candle_window import Hold
from shared.strategies.entry_history import EntryHistory
from shared.strategies.frame import Decided, InvalidIntentError, Pending, admit
from shared.strategies.order_plan import OrderPlan, plan_entry
from shared.strategies.port import Context, Enter, Exit, Holding
from shared.strategies.settings import StrategySettings
from shared.strategies.shown_holding import shown_holding
from shared.strategies.slot import StrategySlot
from shared.venues.port import Candle, PublicVenue

_QUIET_LINE_EVERY: Final = 30_000  # ms between lines of turns in which nothing happens
_HOLDING: Final = "holding: "
_SOON: Final = 5.0  # seconds to the next look when live data is late
_AFTER_DUE: Final = 1.0  # seconds after a live candle's end at which the venue lists it
_AT_LEAST: Final = 0.05  # seconds between two turns, however soon the next one is due

_log = structlog.get_logger(__name__)


class Cycle:
    """Runs the turns of one strategy for ever. `live`: market time is the wall clock, so the next candle's time is known."""

    def __init__(
        self,
        *,
        venue: PublicVenue,
        slot: StrategySlot,
        runner: Runner,
        settings: StrategySettings,
        book: MasterBook,
        mirror: AccountMirror,
        trader: Trader,
        exits: Exits,
        records: MasterRecords,
        clock: Clock,
        live: bool,
    ) -> None:
        self._venue = venue.name
        self._slot = slot
        self._runner = runner
        self._settings = settings
        self._book = book
        self._mirror = mirror
        self._trader = trader
        self._exits = exits
        self._records = records
        self._clock = clock
        self._live = live
        self._candle_ms = slot.interval_minutes * 60_000
        self._candle_clock = CandleClock(slot.interval_minutes, market_time_is_wall_time=live)
        self._candles = CandleReader(
            venue,
            slot.symbols,
            interval_minutes=slot.interval_minutes,
            batch=settings.scan_batch,
            clock=clock,
            live=live,
        )
        self._history: EntryHistory | None = None
        self._shares: dict[Symbol, Decimal] = {}
        """Of the entries that were started, for those of which an order is still under way."""
        self._acted_on: dict[Symbol, int] = {}
        self._logged: dict[Symbol, str] = {}
        self._last_entry = 0
        self._last_line = 0

    async def run(self) -> None:
        """Run turns for ever."""
        try:
            while True:
                await self.turn()
                await self._clock.sleep(self.pause())
        finally:
            await self._runner.close()

    async def turn(self) -> None:
        """Decide once about every symbol with a new candle; in a candle's first seconds only about what is held."""
        held = self._holdings().keys()
        only_held = self._live and self._until_settled() > 0  # on paper only reading shows that a candle has begun
        if only_held and not held:
            return
        windows = await self._windows(only_held=only_held)
        unsettled = self._until_settled() > 0
        if unsettled and not only_held:
            self._candles.put_back()
        new = {
            symbol: candles
            for symbol, candles in windows.items()
            if candles[-1].opened_at > self._acted_on.get(symbol, -1) and (symbol in held or not unsettled)
        }
        sent = 0
        if new and (decided := await self._decide(new)) is not None:
            for symbol, candles in new.items():
                self._acted_on[symbol] = candles[-1].opened_at
            self._exits.withdraw(self._slot.name, new.keys())
            for refused in decided.refused:
                self._log_once(refused.intent.symbol, f"no entry: {refused.reason}", key="no entry")
            for intent in decided.intents:
                price = Price(new[intent.symbol][-1].close, intent.symbol)
                entered_at = new[intent.symbol][-1].opened_at + self._candle_ms
                if isinstance(intent, Exit):
                    sent += self._exit(intent, price)
                else:
                    sent += await self._enter(intent, price, entered_at)
        self._log_quiet_turn(windows.keys(), sent)

    def pause(self) -> float:
        """Return the seconds to the next turn: until the next candle in live mode, the set interval at the paper exchange.

        In the first seconds of a candle it is at most until entries are decided again.
        """
        usual = self._settings.poll_seconds
        if self._live and not self._candles.in_round:
            usual = max((self._candles.next_due() - self._clock.now()) / 1000 + _AFTER_DUE, _SOON, usual)
        wait = self._until_settled()
        return min(usual, max(wait / 1000, _AT_LEAST)) if wait else usual

    def _until_settled(self) -> int:
        """Return for how many ms no entry is decided, because the candle has only just begun."""
        now, earliest = self._clock.now(), self._clock.earliest()
        return self._candle_clock.until_settled(self._slot.caps.settle_seconds, now, earliest)

    async def _decide(self, new: Mapping[Symbol, Sequence[Candle]]) -> Decided | None:
        """Let the strategy decide, within its caps; None if it is paused."""
        now = max(candles[-1].opened_at for candles in new.values()) + self._candle_ms
        if self._history is None:
            self._history = await self._read_history(now)
        equity = self._mirror.worth.scaled(self._slot.share)
        context = Context(now=now, candles=new, holdings=self._holdings(), equity=equity)
        pending = self._pending()
        intents = await self._runner.decide(context)
        if intents is None:
            return None
        try:
            return admit(intents, context, self._slot.caps, self._history, pending)
        except InvalidIntentError as error:
            self._runner.pause.begin(f"InvalidIntentError: {error}")
            return None

    async def _read_history(self, now: int) -> EntryHistory:
        """Read when the strategy last entered; a record that cannot be read counts as an entry of now."""
        try:
            return await read_entries_of(self._records.bus, self._venue, self._slot.name, self._records.owner)
        except MalformedMessageError as error:
            _log.error("the record of a strategy's entries cannot be read", strategy=self._slot.name, error=str(error))
            return EntryHistory().entered(now)

    def _pending(self) -> list[Pending]:
        """Return the symbols with an order under way; it counts as an entry until its fill is a holding."""
        under_way = self._book.under_way & set(self._slot.symbols)
        self._shares = {symbol: share for symbol, share in self._shares.items() if symbol in under_way}
        return [Pending(symbol, self._shares.get(symbol, ZERO)) for symbol in under_way]

    async def _windows(self, *, only_held: bool) -> Mapping[Symbol, Sequence[Candle]]:
        held = [own.symbol for own in self._book.own.held(self._slot.name)]
        listed = self._mirror.instruments
        found = await self._candles.read(self._runner.needs, listed=listed, held=held, only_held=only_held)
        usable = {}
        for symbol, verdict in found.items():
            if isinstance(verdict, Hold):
                self._log_once(symbol, f"{_HOLDING}{verdict.reason}")
            else:
                usable[symbol] = verdict
                self._candle_clock.saw(verdict[-1].opened_at, self._clock.now())
        return usable

    def _holdings(self) -> Mapping[Symbol, Holding]:
        """Return what can be sold of what the strategy bought itself; dust below the venue's minimum does not count."""
        held: dict[Symbol, Holding] = {}
        for own in self._book.own.held(self._slot.name):
            instrument = self._mirror.instruments.get(own.symbol)
            if instrument is not None and (holding := shown_holding(own, instrument.min_size)) is not None:
                held[own.symbol] = holding
        return held

    def _exit(self, intent: Exit, price: Price) -> bool:
        started = self._exits.request(self._slot.name, intent, price)
        if isinstance(started, Skip):
            self._log_once(intent.symbol, f"no order: {started.reason}")
            return False
        self._logged.pop(intent.symbol, None)
        return started

    async def _enter(self, intent: Enter, price: Price, entered_at: int) -> bool:
        symbol = intent.symbol
        since = self._clock.now() - self._last_entry
        if not self._trader.available(symbol) or since < self._settings.entry_gap_seconds * 1000:
            return False
        if self._until_settled():  # the decision took until after the end of the candle: the next one decides again
            self._log_once(symbol, "no entry: a new candle has begun meanwhile", key="no entry")
            return False
        plan = self._plan_entry(intent, price, entered_at)
        if isinstance(plan, Skip):
            self._log_once(symbol, f"no order: {plan.reason}")
            return False
        # Before the order: an entry that was counted and never sent costs less than one that the caps forget.
        self._history = (self._history or EntryHistory()).entered(entered_at)
        await self._records.write(entries={self._slot.name: self._history})
        if not self._trader.available(symbol):
            return False
        own = self._trader.start(symbol, plan, self._slot.name)
        self._last_entry = self._clock.now()
        self._shares[symbol] = intent.share
        self._logged.pop(symbol, None)
        _log.info(
            MASTER_MODE,
            does=own.kind.value,
            strategy=own.strategy,
            symbol=str(symbol),
            size=str(own.size),
            why=intent.reason,
            order_id=own.id,
        )
        return True

    def _plan_entry(self, intent: Enter, price: Price, entered_at: int) -> OrderPlan | Skip:
        """Size an entry; none without a known equity, because no user could copy it."""
        mirror, symbol = self._mirror, intent.symbol
        if off := self._clock.refusal():
            return Skip(off, ReasonCode.CLOCK)
        if (equity := mirror.equity) is None:
            return master_equity_unknown(mirror.equity_reason)
        return plan_entry(
            intent,
            mirror.instruments[symbol],
            price,
            equity=equity.scaled(self._slot.share),
            cash=mirror.cash,
            taker_fee=mirror.fees.of(symbol),
            slippage_bps=self._settings.slippage_bps,
            entered_at=entered_at,
        )

    def _log_once(self, symbol: Symbol, what: str, *, key: str = "") -> None:
        """Log why a symbol is left alone, once per reason, or per `key` where the reason has numbers that change."""
        if self._logged.get(symbol) != (key or what):
            self._logged[symbol] = key or what
            _log.warning(MASTER_MODE, strategy=self._slot.name, symbol=str(symbol), does=what)

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
            paused = self._runner.pause.reason
            _log.info(
                MASTER_MODE,
                strategy=self._slot.name,
                does=f"paused: {paused}" if paused else f"watches {len(seen)} symbols",
                holds=held,
                equity=str(self._mirror.equity or "not fully known"),
            )
