"""The same seeded candles give the same fills at the paper exchange as in a backtest, within the backtest's slippage.

An order within the first level of the book slips by half the spread there. With that as the model the prices are equal.
While its market runs, an order arrives a moment after the close: then the difference is within the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from services.paper_exchange.control.messages import NewAccount
from services.paper_exchange.control.registry import create
from services.paper_exchange.core.account import Account
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import Side as PaperSide
from services.paper_exchange.core.order import Order, OrderType, Ticket
from services.paper_exchange.kraken.pairs import INSTRUMENTS
from shared.backtest.accounts.ledger import BookedFill
from shared.backtest.backtest import run_backtest
from shared.backtest.fill_model import FillModel
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.skip import Skip
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.money import Money, Price, Quantity
from shared.seeded_market.candles import seeded_candles
from shared.strategies.order_plan import plan_entry, plan_exit
from shared.strategies.port import Context, Exit, Holding
from shared.strategies.sma_cross import SmaCross, SmaCrossSettings
from shared.venues.port import Candle
from tests.support.backtests import BTC, MINUTES, START, scenario
from tests.unit.paper_exchange.venue import Venue

D = Decimal
FEE: Final = D("0.004")  # of the exchange's first tier: the account trades less than 10,000 USD in a month
HALF_SPREAD: Final = FillModel(D(1), D(0))
CENT: Final = D("0.00001")
"""The exchange rounds costs and fees to this."""
SETTINGS: Final = SmaCrossSettings(fast=3, slow=8)
RULES: Final = seed_instruments("kraken")[BTC]


def candles(count: int, step: int = 60, regime: str = "calm") -> list[Candle]:
    """Return seeded candles of BTC/USD."""
    made = seeded_candles(
        seed=7,
        symbol="BTC/USD",
        regime=regime,
        decimals=1,
        start=START // 1000,
        minutes=MINUTES,
        count=count,
        step=step,
    )
    return list(made)


class Master:
    """A master by hand: the strategy decides on candles, its orders go to the exchange itself, balances come from there."""

    def __init__(self, exchange: Exchange) -> None:
        wish = {
            "user": "m",
            "venue": "kraken",
            "balances": {"USD": "1000"},
            "api_key": "PAPERM",
            "api_secret": "c2VjcmV0",
        }
        self.exchange = exchange
        self.account: Account = create(exchange, NewAccount.model_validate(wish)).account
        self.strategy = SmaCross(SETTINGS)
        self.orders: list[Order] = []

    def decide(self, window: Sequence[Candle]) -> Ticket | None:
        """Return the order for the next candle, sized by what the account has."""
        close, now = Price(window[-1].close, BTC), window[-1].opened_at + MINUTES * 60_000
        cash = Money(self.account.balances["USD"], "USD")
        held = Quantity(self.account.balances["BTC"], "BTC")
        equity = cash + held * close
        position = Position.flat(BTC, now).bought(held, held * close, now)
        holdings = {BTC: Holding(held, close, now)} if held.amount else {}
        intents = self.strategy.decide(Context(now, {BTC: window}, holdings, equity))
        for intent in intents:
            if isinstance(intent, Exit):
                plan = plan_exit(intent, RULES, close, position=position, free=None, slippage_bps=None)
            else:
                plan = plan_entry(intent, RULES, close, equity=equity, cash=cash, taker_fee=FEE, slippage_bps=None)
            assert not isinstance(plan, Skip)
            return Ticket(INSTRUMENTS["BTC/USD"], PaperSide(plan.side.value), OrderType.MARKET, plan.size.amount)
        return None

    def place(self, ticket: Ticket) -> None:
        """Send an order; the exchange must take it."""
        order = self.exchange.place(self.account, ticket)
        assert isinstance(order, Order)
        self.orders.append(order)


def backtest_fills(made: list[Candle], fills: FillModel = HALF_SPREAD) -> Sequence[BookedFill]:
    """Return the master's fills of a backtest."""
    run = scenario(SmaCross(SETTINGS), {BTC: made}, fills=fills, fee=FEE, cash=1000)
    return run_backtest(run).accounts[0].fills


def test_at_the_prices_of_candles_every_fill_is_the_paper_exchanges() -> None:
    made = candles(400)
    venue = Venue()
    master = Master(venue.exchange)
    waiting: Ticket | None = None
    for end in range(1, len(made) + 1):
        venue.exchange.set_price("BTC/USD", made[end - 1].open)
        if waiting is not None:
            master.place(waiting)
        waiting = master.decide(made[end - SETTINGS.slow : end]) if end >= SETTINGS.slow else None
    mine = backtest_fills(made)
    assert len(mine) > 50
    assert len(mine) == len(master.orders)
    for fill, order in zip(mine, master.orders, strict=True):
        (trade,) = order.trades
        assert (fill.side.value, fill.price.amount) == (order.side.value, trade.price)
        assert abs(fill.size.amount - trade.size) <= RULES.lot_step  # rounded cents in its equity can cross a lot
        assert abs(fill.fee.amount - trade.fee) <= CENT
    assert master.account.volume.total(venue.clock.now()) < 10_000
    spent = D(1000) - master.account.balances["USD"]
    assert abs(sum(map(_cost, mine), D(0)) - spent) <= D("0.01")


def _cost(fill: BookedFill) -> Decimal:
    cost = (fill.size * fill.price).amount
    return (cost if fill.side.value == "buy" else -cost) + fill.fee.amount


def test_the_running_market_of_a_seed_has_the_candles_of_the_generator() -> None:
    for speed, step in ((60.0, 1), (3600.0, 60)):
        venue = Venue(market={"speed": speed, "seed": 7, "pairs": ["BTC/USD"], "regime": "trend"})
        feed = venue.exchange.market.feeds["BTC/USD"]
        start = feed.at
        minutes = 600
        for _ in range(minutes):
            venue.clock.advance(60 / speed)
            venue.exchange.catch_up()
            venue.exchange.market.advance()
        bars = [bar for bar in feed.candles(1, minutes + 10) if bar.start >= start][:minutes]
        made = list(
            seeded_candles(
                seed=7, symbol="BTC/USD", regime="trend", decimals=1, start=start, minutes=1, count=minutes, step=step
            )
        )
        assert len(bars) == minutes
        for bar, candle in zip(bars, made, strict=True):
            prices = tuple(D(each).scaleb(-1) for each in (bar.open, bar.high, bar.low, bar.close))
            assert (bar.start * 1000, *prices) == (candle.opened_at, candle.open, candle.high, candle.low, candle.close)
            assert abs(D(bar.volume) - candle.volume) <= D("0.00000001")


def test_at_the_running_market_fills_are_within_the_slippage_of_the_model() -> None:
    """An order a second after the close: the default of `ops backtest` (5 bps) covers spread and the move of that second."""
    model = FillModel(D(5), D(0))
    venue = Venue(market={"speed": 60.0, "seed": 7, "pairs": ["BTC/USD"]})
    start = venue.exchange.market.feeds["BTC/USD"].at
    count = 200
    made = list(
        seeded_candles(seed=7, symbol="BTC/USD", regime="calm", decimals=1, start=start, minutes=1, count=count, step=1)
    )
    master = Master(venue.exchange)
    references: list[Candle] = []
    for end in range(1, count):
        second_after = start + 60 * end + 1
        venue.clock.advance((second_after - venue.exchange.market.clock.now()) / 60 + 1e-6)
        venue.exchange.catch_up()
        venue.exchange.market.advance()
        ticket = master.decide(made[end - SETTINGS.slow : end]) if end >= SETTINGS.slow else None
        if ticket is not None:
            master.place(ticket)
            references.append(made[end])
    assert len(master.orders) > 20
    for order, candle in zip(master.orders, references, strict=True):
        worst = model.masters(Side(order.side.value), candle.open, RULES).amount
        (trade,) = order.trades
        assert trade.price <= worst if order.side is PaperSide.BUY else trade.price >= worst
