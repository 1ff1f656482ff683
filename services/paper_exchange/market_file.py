"""`paper.toml` in the configuration folder: the market and the limits of the paper exchange. Optional."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.paper_exchange.core.latency import Latency
from services.paper_exchange.core.market.clock import Clock, MarketClock
from services.paper_exchange.core.market.feed import Feed, FixedSource, PriceSource, WalkSource
from services.paper_exchange.core.market.market import Depth, Market
from services.paper_exchange.core.market.replay import Replay, read_csv
from services.paper_exchange.kraken.front import LimitSwitches
from services.paper_exchange.kraken.gate import LockoutRule
from services.paper_exchange.kraken.pairs import INSTRUMENTS
from shared.config.toml_file import read_toml
from shared.seeded_market.path import seeded_random, seeded_walk

FILE: Final = "paper.toml"


class MarketSection(BaseModel):
    """`[market]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    speed: float = Field(default=1.0, ge=0, le=100_000)
    seed: int = 7
    regime: Literal["calm", "trend", "crash", "gap"] = "calm"
    pairs: tuple[str, ...] = tuple(INSTRUMENTS)
    start_prices: dict[str, Decimal] = Field(default_factory=dict)
    spread_bps: float = Field(default=2.0, ge=0, le=1000)
    level_bps: float = Field(default=1.0, gt=0, le=1000)
    depth: int = Field(default=100_000, ge=1)
    volatility: float | None = Field(default=None, ge=0, le=20)
    replay: dict[str, Path] = Field(default_factory=dict)

    @field_validator("pairs", "start_prices", "replay")
    @classmethod
    def _known_pairs(cls, value: object) -> object:
        names = value if isinstance(value, tuple | dict) else ()
        for name in names:
            if name not in INSTRUMENTS:
                raise ValueError(f"unknown pair {name!r}; known: {', '.join(INSTRUMENTS)}")
        return value

    @field_validator("start_prices")
    @classmethod
    def _positive(cls, value: dict[str, Decimal]) -> dict[str, Decimal]:
        for name, price in value.items():
            if not price.is_finite() or price <= 0:
                raise ValueError(f"the price of {name} must be above 0")
        return value


class LimitsSection(BaseModel):
    """`[limits]`: Kraken's counters and its lockout, whether Coinbase counts requests per second, and the limits of streams."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rest: bool = True
    trading: bool = True
    lockout_failures: int = Field(default=5, ge=1)
    lockout_seconds: float = Field(default=900.0, ge=0)
    coinbase: bool = True
    streams: bool = True

    def limits(self) -> LimitSwitches:
        """Return the limits for the front."""
        return LimitSwitches(self.rest, self.trading, LockoutRule(self.lockout_failures, self.lockout_seconds))


class LatencySection(BaseModel):
    """`[latency]`: how long a request and its answer are on their way together; 0 and 0 answers at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_ms: float = Field(default=30.0, ge=0, le=60_000)
    max_ms: float = Field(default=80.0, ge=0, le=60_000)
    seed: int = 7

    @model_validator(mode="after")
    def _in_order(self) -> LatencySection:
        if self.min_ms > self.max_ms:
            raise ValueError(f"min_ms ({self.min_ms:g}) must not be above max_ms ({self.max_ms:g})")
        return self

    def latency(self) -> Latency:
        """Return the latency of requests and streams."""
        return Latency(self.min_ms, self.max_ms, self.seed)


class PaperFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    market: MarketSection = Field(default_factory=MarketSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    latency: LatencySection = Field(default_factory=LatencySection)


def read_paper_file(folder: Path) -> PaperFile:
    """Read the file; the defaults if there is none. Raises ConfigurationError naming file and field."""
    path = folder / FILE
    if not path.exists():
        return PaperFile()
    return read_toml(path, PaperFile)


def build_market(section: MarketSection, clock: Clock, folder: Path, *, mirrored: bool = False) -> Market:
    """Build the market: one feed per pair, each with its own random numbers from the one seed.

    A `mirrored` market keeps its prices until another market's are set, at real speed: only the book is taken from the section.
    """
    market_clock = MarketClock(clock, 1.0 if mirrored else section.speed)
    origin = int(market_clock.now()) // 60 * 60
    feeds: dict[str, Feed] = {}
    for symbol in section.pairs:
        start_price = section.start_prices.get(symbol)
        walk = seeded_walk(section.seed, symbol, section.regime, start_price=start_price, volatility=section.volatility)
        past = walk.backwards(seeded_random(section.seed, symbol, "past").getrandbits(32))
        source: PriceSource = FixedSource(walk.price) if mirrored else WalkSource(walk)
        if symbol in section.replay and not mirrored:
            source = Replay(read_csv(folder / section.replay[symbol]), origin)
        feeds[symbol] = Feed(INSTRUMENTS[symbol], source, past, origin, seeded_random(section.seed, symbol, "volume"))
    return Market(market_clock, feeds, Depth(section.spread_bps, section.level_bps, section.depth))
