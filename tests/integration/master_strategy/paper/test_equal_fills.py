"""The same candles give the same fills in a backtest and from the real master at the paper exchange.

The stated model: what is decided at a close fills at the next open, a stop or a target at its own price, both worse by the
slippage, which here is half the exchange's spread; fees are the venue's. So sides and their order are equal, and prices of what
was decided at a close are equal to the tick. A stop or a target sells at the first tick beyond its price: two ticks at most,
because a trailing stop follows a price that was off by one. A size may differ by a lot, and by the entry's share of what those
ticks and the exchange's rounding (costs and fees to 5 digits) have made the equities differ: a few cents of 1,000 USD.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, cast

import pytest

from services.paper_exchange.core.order import Order
from shared.backtest.accounts.ledger import BookedFill
from shared.backtest.backtest import run_backtest
from shared.backtest.fill_model import FillModel
from shared.bus.connection import Bus
from shared.domain.order import Side
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.symbol import Symbol
from shared.strategies.port import Context, Holding, Intent, Strategy
from shared.strategies.settings import StrategySettings
from shared.venues.port import Candle
from tests.integration.master_strategy.paper.paper_rig import Market, PaperRig
from tests.support.backtests import scenario
from tests.support.seeded_candles import seeded_candles

D = Decimal
FEE: Final = D("0.004")  # of the exchange's first tier: the account trades less than 10,000 USD in a month
HALF_SPREAD: Final = FillModel(D(1), D(0))
FIFTH_DIGIT: Final = D("0.00001")
LARGEST: Final = D("0.06")
"""Of the equity, in one entry."""
RULES: Final = seed_instruments("kraken")


class Watched:
    """A strategy, with what it was shown of its holdings at the end of each candle (epoch ms of market time)."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self.name = strategy.name
        self.needs = strategy.needs
        self.needs_held: int = getattr(strategy, "needs_held", strategy.needs)
        self.shown: list[tuple[int, Mapping[Symbol, Holding]]] = []

    def decide(self, context: Context) -> Sequence[Intent]:
        """Decide as the strategy does."""
        self.shown.append((context.now, dict(context.holdings)))
        return self._strategy.decide(context)


@dataclass(frozen=True)
class Example:
    """A strategy on a market: `settings` as `config/strategy.toml` has them."""

    settings: Mapping[str, Any]
    seed: int
    regime: Literal["calm", "trend", "crash", "gap"]
    candles: int
    fewest: int
    """Fills, fewer of which would prove little."""
    fewest_by_plan: int = 0
    symbols: tuple[str, ...] = ("BTC/USD",)

    def market(self) -> dict[Symbol, list[Candle]]:
        """Return the candles."""
        (slot,) = self.file.slots()
        facts = {"seed": self.seed, "count": self.candles, "minutes": slot.interval_minutes}
        return {symbol: seeded_candles(symbol, regime=self.regime, **facts) for symbol in slot.symbols}

    @property
    def file(self) -> StrategySettings:
        """Return the file, without a gap on the wall clock, of which market time knows nothing."""
        return StrategySettings.model_validate({"symbols": self.symbols, "entry_gap_seconds": 0, **self.settings})


CAPS: Final = {"settle_seconds": 0}
"""A backtest has no first seconds of a candle: what is decided at the close fills at the next open."""
TREND: Final = {"strategy": "trend", "caps": CAPS}
EXAMPLES: Final = {
    "trend rises": Example(TREND, 1, "trend", 420, 70, 11),
    "trend crashes": Example(TREND, 3, "crash", 420, 60, 3),
    "caps bind": Example(
        {**TREND, "caps": {**CAPS, "max_positions": 2, "max_entries_per_day": 8}},
        4,
        "gap",
        220,
        20,
        1,
        ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD"),
    ),
    "averages cross": Example(
        {"strategy": "sma-cross", "settings": {"fast": 3, "slow": 8, "entry_pct": 5}}, 7, "calm", 200, 20
    ),
}


def backtest(example: Example, market: Mapping[Symbol, Sequence[Candle]]) -> tuple[Sequence[BookedFill], Watched]:
    """Run it in `shared/backtest`."""
    (slot,) = example.file.slots()
    watched = Watched(slot.build())
    run = scenario(
        watched,
        market,
        fills=HALF_SPREAD,
        fee=FEE,
        caps=slot.caps,
        cash=1_000,
        start=next(iter(market.values()))[0].opened_at,
        minutes=slot.interval_minutes,
    )
    return run_backtest(run).accounts[0].fills, watched


async def at_the_exchange(
    bus: Bus, example: Example, candles: Mapping[Symbol, Sequence[Candle]]
) -> tuple[PaperRig, Market, Watched]:
    """Run it by the master's own parts."""
    rig = PaperRig(bus, symbols=list(candles))
    for symbol, each in candles.items():
        rig.exchange.set_price(str(symbol), each[0].open)
    run = await rig.start()
    await run.resume()
    (slot,) = example.file.slots()
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        exits = run.exits(trader)
        cycle = run.cycle(trader, exits=exits, entry_gap_seconds=0, symbols=example.symbols, **example.settings)
        runner = cast("Any", cycle)._runner
        runner._strategy = watched = Watched(runner._strategy)
        market = Market(rig, run, cycle, run.exit_watch(trader, exits), slot.name)
        for number in range(example.candles):
            now = {symbol: each[number] for symbol, each in candles.items()}
            await market.candles(now, last=number == example.candles - 1)
    return rig, market, watched


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
async def test_every_fill_of_a_backtest_is_the_masters_at_the_paper_exchange(bus: Bus, example: Example) -> None:
    candles = example.market()
    mine, shown = backtest(example, candles)
    rig, market, shown_live = await at_the_exchange(bus, example, candles)
    assert len(mine) >= example.fewest
    assert market.by_plan >= example.fewest_by_plan
    pairs: list[tuple[BookedFill, Order]] = []
    for symbol in candles:  # orders that leave at the same close have no order among themselves
        fills = [fill for fill in mine if fill.symbol == symbol]
        orders = [order for order in rig.orders if order.instrument.symbol == str(symbol)]
        assert [fill.side.value for fill in fills] == [order.side.value for order in orders]
        pairs += zip(fills, orders, strict=True)
    apart = sum((_apart(*pair) for pair in pairs), D(0))
    assert apart < D("0.05")
    for pair in pairs:
        _same_fill(*pair, apart)
    spent = D(1_000) - rig.paper.balances["USD"]
    assert abs(sum(map(_cost, mine), D(0)) - spent) <= D("0.02")
    _same_holdings(shown, shown_live)


def _apart(fill: BookedFill, order: Order) -> Decimal:
    """Return by how much a fill may have made the two accounts differ (USD)."""
    (trade,) = order.trades
    return abs(fill.price.amount - trade.price) * trade.size + 2 * FIFTH_DIGIT


def _same_fill(fill: BookedFill, order: Order, apart: Decimal) -> None:
    """`apart` (USD): how far the equities, by which entries are sized, may be from each other."""
    (trade,) = order.trades
    by_plan, rules = fill.reason.startswith(("stop ", "target ")), RULES[fill.symbol]
    assert abs(fill.price.amount - trade.price) <= (2 * rules.tick if by_plan else 0), fill
    assert abs(fill.size.amount - trade.size) <= rules.lot_step + LARGEST * apart / trade.price, fill
    rounding = FIFTH_DIGIT + FEE * abs(fill.price.amount * fill.size.amount - trade.price * trade.size)
    assert abs(fill.fee.amount - trade.fee) <= rounding, fill
    assert abs(trade.fee - trade.price * trade.size * FEE) <= FIFTH_DIGIT, order


def _same_holdings(shown: Watched, live: Watched) -> None:
    """The strategy saw the same: sizes, what a unit has cost with its fee, when it was entered, and the plan that is left."""
    before_the_last = shown.shown[:-1]
    assert [now for now, _ in before_the_last] == [now for now, _ in live.shown]
    for (_, mine), (now, theirs) in zip(before_the_last, live.shown, strict=True):
        assert mine.keys() == theirs.keys(), now
        for symbol, held in mine.items():
            other = theirs[symbol]
            assert abs(held.size.amount / other.size.amount - 1) < FIFTH_DIGIT, now
            assert abs(held.average_price.amount / other.average_price.amount - 1) < FIFTH_DIGIT / 10, now
            assert held.opened_at == other.opened_at
            assert (held.plan is None) == (other.plan is None)
            if held.plan is not None and other.plan is not None:
                assert abs(held.plan.stop - other.plan.stop) <= 2 * RULES[symbol].tick
                assert held.plan.targets == other.plan.targets


def _cost(fill: BookedFill) -> Decimal:
    cost = (fill.size * fill.price).amount
    return (cost if fill.side is Side.BUY else -cost) + fill.fee.amount
