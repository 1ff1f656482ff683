"""The generated price: a slow random walk with a noisy cycle on top.

The cyclic part is a rotating two-dimensional Ornstein-Uhlenbeck process, advanced exactly for any time step, so the same
parameters hold for a step of a second and of fifteen minutes, and it is stationary: run backwards it gives a history that could
have led to the start price. Floats are used only up to the tick, where candles are made; money is computed after that.
"""

from __future__ import annotations

import math
import random
from typing import Final

from shared.seeded_market.regimes import Crash, Regime

YEAR: Final = 365.25 * 86400


class Walk:
    """One symbol's generator. The same seed, regime and steps give the same prices."""

    def __init__(self, rng: random.Random, start: float, regime: Regime) -> None:
        self._rng = rng
        self._regime = regime
        self._x = rng.gauss(0.0, regime.swing)
        self._y = rng.gauss(0.0, regime.swing)
        self._anchor = math.log(start) - self._x
        self._elapsed = 0.0
        self._step_of: float | None = None
        self._turn = (1.0, 0.0, 0.0, 0.0)
        self._direction = 1.0
        self._eventful = bool(regime.drift_per_hour or regime.jumps_every or regime.crash)
        self.price = start

    def backwards(self, seed: int) -> Walk:
        """Return an independent walk from the same state into the past: rotating the other way, without drift or crash."""
        calm = Regime(
            swing=self._regime.swing,
            period=self._regime.period,
            memory=self._regime.memory,
            volatility=self._regime.volatility,
        )
        past = Walk(random.Random(seed), self.price, calm)  # noqa: S311  # a price path, not a secret
        past._x, past._y, past._anchor = self._x, self._y, math.log(self.price) - self._x
        past._direction = -1.0
        return past

    def rebase(self, price: float) -> None:
        """Continue from this price."""
        self._anchor += math.log(price / self.price)
        self.price = price

    def step(self, seconds: float) -> float:
        """Advance by a time step. Return the new price."""
        if seconds != self._step_of:
            self._prepare(seconds)
        cosine, sine, noise, slow = self._turn
        gauss = self._rng.gauss
        self._x, self._y = (
            cosine * self._x - sine * self._y + noise * gauss(0.0, 1.0),
            sine * self._x + cosine * self._y + noise * gauss(0.0, 1.0),
        )
        self._anchor += slow * gauss(0.0, 1.0)
        if self._eventful:
            self._anchor += self._events(seconds)
        self._elapsed += seconds
        self.price = math.exp(self._anchor + self._x)
        return self.price

    def _prepare(self, seconds: float) -> None:
        regime = self._regime
        decay = math.exp(-seconds / regime.memory)
        angle = self._direction * 2 * math.pi * seconds / regime.period
        self._turn = (
            decay * math.cos(angle),
            decay * math.sin(angle),
            regime.swing * math.sqrt(1 - decay * decay),
            regime.volatility * math.sqrt(seconds / YEAR),
        )
        self._step_of = seconds

    def _events(self, seconds: float) -> float:
        regime = self._regime
        moved = 0.0
        if regime.drift_per_hour:
            flips = regime.drift_flips_every
            sign = -1.0 if flips and int(self._elapsed / flips) % 2 else 1.0
            moved += sign * regime.drift_per_hour * seconds / 3600
        if regime.jumps_every and self._rng.random() < seconds / regime.jumps_every:
            moved += self._rng.choice((-1.0, 1.0)) * regime.jump * self._rng.uniform(0.7, 1.3)
        if regime.crash is not None:
            moved += _crash(regime.crash, self._elapsed, seconds)
        return moved


def _crash(crash: Crash, elapsed: float, seconds: float) -> float:
    """Return the move of the log price in one step of a crash cycle."""
    phase = elapsed % crash.cycle
    if phase < crash.after:
        return 0.0
    fall = math.log1p(-crash.depth)
    if phase < crash.after + crash.length:
        return fall * seconds / crash.length
    return -fall * crash.recovery * seconds / (crash.cycle - crash.after - crash.length)
