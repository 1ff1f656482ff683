"""The strategy `trend` behind the port: windows in, intents out. It holds nothing but a cache.

Stops and targets are not acted upon here: they are recorded with the position (`ExitPlan`) and hold while no strategy runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.values.money import ONE
from shared.domain.values.symbol import Symbol
from shared.strategies.port import Context, Exit, Holding, Intent, candles_needed
from shared.strategies.trend.bars_cache import BarsCache
from shared.strategies.trend.entry import Candidate, candidate
from shared.strategies.trend.exit import exit_reason
from shared.strategies.trend.reading import Reading
from shared.strategies.trend.settings import TrendSettings
from shared.venues.port import Candle


class Trend:
    """Long only: enters a trend after a setback, sells the whole position when the trend ends."""

    name = "trend"

    def __init__(self, settings: TrendSettings | None = None) -> None:
        self._settings = settings or TrendSettings()
        self.needs = self._settings.enter_candles
        self.needs_held = self._settings.manage_candles
        self._cache = BarsCache()

    def decide(self, context: Context) -> Sequence[Intent]:
        """Return exits first, then entries, that of the strongest trend first. A symbol with too few candles is left alone."""
        exits: list[Exit] = []
        entries: list[Candidate] = []
        for symbol, candles in context.candles.items():
            held = context.holdings.get(symbol)
            if len(candles) < candles_needed(self, held=held is not None):
                continue
            if held is not None:
                exits.extend(self._exit(symbol, candles, held))
            else:
                entries.extend(self._entry(symbol, candles))
        entries.sort(key=lambda each: (-each.adx, str(each.intent.symbol)))
        return [*exits, *(each.intent for each in entries)]

    def _exit(self, symbol: Symbol, candles: Sequence[Candle], held: Holding) -> Sequence[Exit]:
        reason = exit_reason(self._reading(symbol, candles), held)
        return [Exit(symbol, ONE, reason)] if reason else []

    def _entry(self, symbol: Symbol, candles: Sequence[Candle]) -> Sequence[Candidate]:
        found = candidate(symbol, self._reading(symbol, candles))
        return [found] if found is not None else []

    def _reading(self, symbol: Symbol, candles: Sequence[Candle]) -> Reading:
        """Return the reading of the newest `needs` candles: more history must not change a decision."""
        window = tuple(candles[-self.needs :])
        return Reading(window, self._cache.bars(symbol, window), self._settings)
