"""The regimes of the generated market.

Each regime is a set of parameters for `walk.Walk`; rates are per market second unless the name says otherwise. The calm one
swings by 0.3 to 0.5 % over ten to twenty one-minute candles, so that a crossing of two moving averages trades, yet moves by
a basis point in a typical second, so that a copy a moment later gets about the same price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Crash:
    """A fall once per cycle: after `after` seconds, by `depth` (0.15 = 15 %), taking `length` seconds."""

    cycle: float = 7200.0
    after: float = 1200.0
    length: float = 600.0
    depth: float = 0.15
    recovery: float = 0.6  # share of the fall that recovers until the cycle ends


@dataclass(frozen=True, slots=True)
class Regime:
    """The parameters of a price path."""

    swing: float = 0.0022  # standard deviation of the cyclic part, as a share of the price
    period: float = 840.0  # seconds of one swing
    memory: float = 3600.0  # seconds after which a swing's phase is random again
    volatility: float = 0.25  # of the slow part, per year
    drift_per_hour: float = 0.0
    drift_flips_every: float = 0.0  # seconds between two changes of the drift's sign; 0 = never
    jumps_every: float = 0.0  # mean seconds between jumps; 0 = none
    jump: float = 0.0  # size of a jump, as a share of the price
    crash: Crash | None = None


REGIMES: Final[dict[str, Regime]] = {
    "calm": Regime(),
    "trend": Regime(swing=0.0012, volatility=0.35, drift_per_hour=0.015, drift_flips_every=5400.0),
    "crash": Regime(volatility=0.6, crash=Crash()),
    "gap": Regime(volatility=0.4, jumps_every=1500.0, jump=0.025),
}
