"""The golden runs: what `trend` decides on seeded markets. Regenerate the files with

    python -m tests.unit.strategies.trend.golden

`golden.txt` has one line per decision, for a person to read. `golden_seeds.txt` has one line per market, of four seeds in each
regime: how often it entered, what sold, and a digest of all decisions.

after a change of the rules that is meant, and read the difference of the first. Positions are kept in the simplest way that needs
no exchange: an entry is bought at the close, and a plan acts on the low and then on the high of each later candle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from shared.domain.values.money import ONE, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.strategies.port import Context, Enter, Holding, Intent
from shared.strategies.trend import Trend
from shared.venues.port import Candle
from tests.support.seeded_candles import seeded_candles

FILE: Final = Path(__file__).with_name("golden.txt")
SEEDS_FILE: Final = Path(__file__).with_name("golden_seeds.txt")
PERIOD: Final = 300_000


@dataclass(frozen=True, slots=True)
class Run:
    """One seeded market and how long it is followed."""

    seed: int
    regime: Literal["calm", "trend", "crash", "gap"]
    symbols: tuple[str, ...]
    candles: int


RUNS: Final = (
    Run(1, "trend", ("BTC/USD",), 1000),
    Run(2, "calm", ("ETH/USD", "DOGE/USD"), 2000),
    Run(3, "crash", ("SOL/USD",), 1000),
)
SEED_RUNS: Final = tuple(
    Run(seed, regime, ("BTC/USD",), 260) for regime in ("calm", "trend", "crash", "gap") for seed in (11, 12, 13, 14)
)


def decisions(run: Run, *, forgets: bool = False) -> Iterator[str]:
    """Iterate over the lines of a run; with `forgets` each candle is decided by a strategy that has seen nothing before."""
    markets = {
        symbol: seeded_candles(symbol, seed=run.seed, regime=run.regime, count=run.candles)
        for symbol in map(Symbol.parse, run.symbols)
    }
    strategy, holdings = Trend(), dict[Symbol, Holding]()
    for end in range(strategy.needs, run.candles + 1):
        windows = {symbol: candles[end - strategy.needs : end] for symbol, candles in markets.items()}
        for symbol, candles in windows.items():
            yield from (f"{end:5} {symbol} {each}" for each in _follow_plan(symbol, candles[-1], holdings))
        now = next(iter(windows.values()))[-1].opened_at + PERIOD
        strategy = Trend() if forgets else strategy
        for intent in strategy.decide(Context(now, windows, dict(holdings), Money(Decimal(10_000), "USD"))):
            yield f"{end:5} {intent.symbol} {_text(intent)}"
            _execute(intent, windows[intent.symbol], now, holdings)


def text() -> str:
    """Return the whole file."""
    lines: list[str] = []
    for run in RUNS:
        lines.append(f"# seed {run.seed}, {run.regime}, {run.candles} candles")
        lines.extend(decisions(run))
    return "\n".join([*lines, ""])


def seed_line(run: Run, lines: Sequence[str]) -> str:
    """Return the line of one market."""
    kinds = {"entries": " buys ", "sold by rules": " sells 100 %: ", "by plans": " plan sells "}
    counts = ", ".join(f"{sum(kind in line for line in lines)} {name}" for name, kind in kinds.items())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    return f"{run.regime} {run.seed}: {counts}, {digest}"


def seeds_text() -> str:
    """Return the whole file of the seeds."""
    return "\n".join([*(seed_line(run, list(decisions(run))) for run in SEED_RUNS), ""])


def _follow_plan(symbol: Symbol, candle: Candle, holdings: dict[Symbol, Holding]) -> Iterator[str]:
    for price in (candle.low, candle.high):
        held = holdings.get(symbol)
        if held is None or held.plan is None:
            return
        plan = held.plan.after_price(price)
        due = plan.due(price)
        if due is not None:
            yield f"plan sells {plain(due.fraction * 100)} %: {due.reason}"
            plan = plan.after_exit(due, price)
        if due is not None and due.fraction == ONE:
            del holdings[symbol]
        else:
            holdings[symbol] = replace(held, plan=plan)


def _execute(intent: Intent, candles: Sequence[Candle], now: int, holdings: dict[Symbol, Holding]) -> None:
    symbol = intent.symbol
    if isinstance(intent, Enter):
        holdings[symbol] = Holding(
            Quantity(ONE, symbol.base), Price(candles[-1].close, symbol), opened_at=now, plan=intent.plan
        )
    else:
        del holdings[symbol]


def _text(intent: Intent) -> str:
    if not isinstance(intent, Enter):
        return f"sells {plain(intent.fraction * 100)} %: {intent.reason}"
    assert intent.plan is not None
    targets = " ".join(plain(target.price) for target in intent.plan.targets)
    trail = plain(intent.plan.trail or Decimal(0))
    return f"buys {plain(intent.share * 100)} %: {intent.reason}, targets {targets}, trail {trail}"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
    SEEDS_FILE.write_text(seeds_text(), "utf-8")
