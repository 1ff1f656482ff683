"""One symbol's market: the price source stepped along market time, its candles, its latest trades.

Steps are lazy: they happen when a request or the market loop calls. The price is a whole number of ticks from here on. `Extremes`
are those since a venue's resting orders were last matched, so that no touched price is missed.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, Protocol

from services.paper_exchange.core.instrument import Instrument
from shared.seeded_market.bars import LEVELS, Bar, BarHistory, level_of
from shared.seeded_market.path import TURNOVER, volume_of
from shared.seeded_market.walk import Walk

PRINTS_KEPT: Final = 1000
STEPS_PER_CALL: Final = 4000  # a process that slept catches up in coarser steps instead of stalling its requests
LONGEST_STEP: Final = 60  # seconds: no candle is skipped, however fast the market runs
HISTORY_SECONDS: Final = (3600 * 60, 2880 * 900, 4320 * 14400)  # how far each candle level reaches back


class PriceSource(Protocol):
    """Where prices come from."""

    price: float

    def rebase(self, price: float) -> None:
        """Continue from this price."""
        ...

    def walk(self, start: int, end: int, step: int) -> Iterator[tuple[int, float]]:
        """Iterate over (second, price) after `start` up to `end`, about every `step` seconds."""
        ...

    def past(self) -> Iterator[tuple[int, float]]:
        """Iterate over recorded prices before the start; empty if the feed must generate them."""
        ...


class WalkSource:
    """Prices of a seeded random walk."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self.price = walk.price

    def rebase(self, price: float) -> None:
        """Continue from this price."""
        self._walk.rebase(price)
        self.price = price

    def walk(self, start: int, end: int, step: int) -> Iterator[tuple[int, float]]:
        """Iterate over a price every `step` seconds."""
        take = self._walk.step
        for second in range(start + step, end + 1, step):
            self.price = take(float(step))
            yield second, self.price

    def past(self) -> Iterator[tuple[int, float]]:
        """Return nothing: the feed generates the history backwards."""
        return iter(())


class FixedSource:
    """A price that stays where it was last set, for a market with another market's prices."""

    def __init__(self, price: float) -> None:
        self.price = price

    def rebase(self, price: float) -> None:
        """Set the price."""
        self.price = price

    def walk(self, start: int, end: int, step: int) -> Iterator[tuple[int, float]]:
        """Iterate over the same price every `step` seconds."""
        for second in range(start + step, end + 1, step):
            yield second, self.price

    def past(self) -> Iterator[tuple[int, float]]:
        """Return nothing: the feed generates the history backwards."""
        return iter(())


class Extremes:
    """The lowest and the highest tick of a feed since they were last taken."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._low = self._high = feed.ticks

    def see(self, ticks: int) -> None:
        """Take note of a price."""
        self._low = min(self._low, ticks)
        self._high = max(self._high, ticks)

    def take(self) -> tuple[int, int]:
        """Return them, and begin again at the present price."""
        low, high = self._low, self._high
        self._low = self._high = self.feed.ticks
        return low, high


class Feed:
    """The running market of one instrument. `origin` and `at` are market seconds."""

    def __init__(
        self, instrument: Instrument, source: PriceSource, past: Walk, origin: int, rng: random.Random
    ) -> None:
        self.instrument = instrument
        self._scale = float(10**instrument.price_decimals)
        self._source = source
        self._past = past
        self._past_levels = 0
        self._rng = rng
        self.at = self._origin = origin
        self.ticks = max(1, round(source.price * self._scale))
        self._watchers: list[Extremes] = []
        self.on_move: list[Callable[[], None]] = []
        """Called after each step of the price, in the middle of whatever made it: a listener must not change anything."""
        self.version = 0
        self.printed = 0  # trades ever made; `prints` keeps the last ones
        self.prints: deque[tuple[float, int, float, bool]] = deque(maxlen=PRINTS_KEPT)
        self._history = BarHistory()
        self._record(origin, self.ticks)

    def advance(self, to: float, speed: float) -> None:
        """Step to a market instant. Faster markets take longer steps: at most about 60 a wall second."""
        end = int(to)
        if end <= self.at:
            return
        step = min(LONGEST_STEP, max(1, int(speed / 60), (end - self.at) // STEPS_PER_CALL))
        printed = self.printed
        for second, price in self._source.walk(self.at, end, step):
            ticks = max(1, round(price * self._scale))
            self._record(second, ticks)
            self.at = second
        if self.printed > printed:  # less than a step is none: listeners look at the feed again, and would for ever
            self._moved()

    def set_price(self, price: Decimal) -> None:
        """Set the price (whole ticks); the path continues from it."""
        ticks = max(1, self.instrument.ticks_of(price))
        self._source.rebase(ticks / self._scale)
        self._record(self.at, ticks)
        self._moved()

    def watch(self) -> Extremes:
        """Return the extremes from now on, for one venue's resting orders."""
        watcher = Extremes(self)
        self._watchers.append(watcher)
        return watcher

    def candles(self, minutes: int, count: int) -> list[Bar]:
        """Return the last `count` candles, oldest first, the last one unfinished. Generates history as far as it is needed."""
        while self._past_levels <= level_of(minutes):
            self._make_past()
        return self._history.candles(minutes, count)

    def _moved(self) -> None:
        self.version += 1
        for listener in self.on_move:
            listener()

    def _record(self, second: int, ticks: int) -> None:
        self.ticks = ticks
        for watcher in self._watchers:
            watcher.see(ticks)
        noise = self._rng.random()
        volume = volume_of(noise, ticks, self._scale)
        self._history.trade(second, ticks, volume)
        self.printed += 1
        self.prints.append((second + noise, ticks, volume, noise > 0.5))

    def _make_past(self) -> None:
        """Generate one more level of candles; each ends where the finer one begins, on a four-hour boundary."""
        level = self._past_levels
        self._past_levels += 1
        recorded = list(self._source.past())
        if recorded:
            self._past_levels = len(LEVELS)
            history = BarHistory()
            for second, price in recorded:
                history.trade(second, max(1, round(price * self._scale)), 1.0)
            self._history.prepend_history(history)
            return
        edges = [self._origin - self._origin % 60]
        edges += [(self._origin - reach) // LEVELS[2] * LEVELS[2] for reach in HISTORY_SECONDS]
        older: list[list[Bar]] = [[], [], []]
        older[level] = self._bars_back(self._past, edges[level], edges[level + 1], LEVELS[level])
        self._history.prepend(*older)

    def _bars_back(self, walk: Walk, end: int, start: int, seconds: int) -> list[Bar]:
        """Generate candles backwards: each opens where the older one closes, with one price between."""
        bars: list[Bar] = []
        half, scale, random_number = seconds / 2, self._scale, self._rng.random
        close = max(1, round(walk.price * scale))
        for at in range(end - seconds, start - 1, -seconds):
            middle, opened = max(1, round(walk.step(half) * scale)), max(1, round(walk.step(half) * scale))
            volume = TURNOVER * seconds * (0.5 + random_number()) * scale / close
            bar = Bar(at, opened, volume, seconds // 2)
            bar.high, bar.low, bar.close = max(opened, middle, close), min(opened, middle, close), close
            bars.append(bar)
            close = opened
        bars.reverse()
        return bars
