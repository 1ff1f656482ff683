"""A stop of an exit plan sells in the candle in which a stop-loss order at the paper exchange does, at its price within 2 bps.

Both read the same file: the exchange replays it second by second, the backtest sees only its candles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from services.paper_exchange.control.messages import NewAccount
from services.paper_exchange.control.registry import create
from services.paper_exchange.core.account import Account
from services.paper_exchange.core.instrument import Side as PaperSide
from services.paper_exchange.core.order import Order, OrderType, Ticket
from services.paper_exchange.kraken.pairs import INSTRUMENTS
from shared.backtest.accounts.ledger import BookedFill
from shared.backtest.backtest import run_backtest
from shared.backtest.candles.candle_file import Period, read_candles
from shared.backtest.fill_model import FillModel
from shared.config.settings import Settings
from shared.domain.order import Side
from shared.domain.values.money import ONE, floor_to
from shared.seeded_market.candles import seeded_candles
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.port import Context, Enter, Exit, Intent
from tests.support.backtests import BTC, START, scenario
from tests.unit.paper_exchange.venue import Venue

D = Decimal
PAIR: Final = INSTRUMENTS["BTC/USD"]
MINUTES: Final = 1
EVERY: Final = 15
HELD_FOR: Final = 10
STOP: Final = D("0.9985")
COUNT: Final = 600
FIRST: Final = COUNT // 2
"""The exchange takes the first half of the file for the past."""
BASIS_POINT: Final = D("0.0001")


Sale = tuple[int, Decimal, bool]
"""Candle, price, whether a stop sold it."""


def stop_below(price: Decimal) -> Decimal:
    """Return the stop of an entry."""
    return floor_to(price * STOP, D("0.1"))


class Stopped:
    """Enters at every fifteenth candle with a stop, and sells ten candles later what the stop has left."""

    name = "stopped"
    needs = 1

    def decide(self, context: Context) -> Sequence[Intent]:
        """Decide by the number of the candle."""
        number = (context.now - START) // (MINUTES * 60_000)
        if number % EVERY == 0:
            close = context.candles[BTC][-1].close
            return [Enter(BTC, D("0.06"), "now", ExitPlan(stop_below(close)))]
        if number % EVERY == HELD_FOR and BTC in context.holdings:
            return [Exit(BTC, ONE, "long enough")]
        return []


def write_file(folder: Path) -> Path:
    """Write seeded candles as Kraken's downloads are."""
    made = seeded_candles(
        seed=11,
        symbol="BTC/USD",
        regime="trend",
        decimals=1,
        start=START // 1000,
        minutes=MINUTES,
        count=COUNT,
        step=15,
    )
    path = folder / "XBTUSD_1.csv"
    rows = (f"{c.opened_at // 1000},{c.open},{c.high},{c.low},{c.close},{c.volume},4\n" for c in made)
    path.write_text("".join(rows), "utf-8")
    return path


class Exchange:
    """The paper exchange as it replays a file, with one account."""

    def __init__(self, folder: Path) -> None:
        replay = {"speed": 60.0, "pairs": ["BTC/USD"], "replay": {"BTC/USD": "XBTUSD_1.csv"}, "spread_bps": 0.0}
        self.venue = Venue(Settings(shoal_config=folder), market=replay)
        wish = {
            "user": "m",
            "venue": "kraken",
            "balances": {"USD": "100000"},
            "api_key": "PAPERM",
            "api_secret": "c2VjcmV0",
        }
        self.account: Account = create(self.venue.exchange, NewAccount.model_validate(wish)).account
        self.start = int(self.venue.exchange.market.feeds["BTC/USD"].at)

    def reach(self, second: int) -> None:
        """Run the market to a second after its start."""
        clock = self.venue.exchange.market.clock
        self.venue.clock.advance((self.start + second - clock.now()) / 60 + 1e-7)
        self.venue.exchange.catch_up()
        self.venue.exchange.market.advance()

    def place(self, side: PaperSide, kind: OrderType, size: Decimal, trigger: Decimal | None = None) -> Order:
        """Place an order that must be taken."""
        order = self.venue.exchange.place(self.account, Ticket(PAIR, side, kind, size, trigger=trigger))
        assert isinstance(order, Order)
        return order


def sold_at_the_exchange(folder: Path, sizes: Mapping[int, Decimal]) -> list[Sale]:
    """Trade as `Stopped` does, with stop-loss orders at the exchange; `sizes` of the purchases by candle."""
    exchange, sales = Exchange(folder), list[Sale]()
    stop: Order | None = None
    for number in range(FIRST, COUNT):
        for second in range(60):
            exchange.reach((number - FIRST) * 60 + second)
            if stop is not None and not stop.is_open:
                sales.append((number, stop.trades[0].price, True))
                stop = None
            elif second == 0 and stop is not None and number % EVERY == HELD_FOR:
                exchange.venue.exchange.cancel(stop)
                sales.append(
                    (number, exchange.place(PaperSide.SELL, OrderType.MARKET, stop.size).trades[0].price, False)
                )
                stop = None
            if second == 0 and number in sizes:
                exchange.place(PaperSide.BUY, OrderType.MARKET, sizes[number])
                trigger = stop_below(exchange.venue.exchange.view.last("BTC/USD"))
                stop = exchange.place(PaperSide.SELL, OrderType.STOP_LOSS, sizes[number], trigger)
    return sales


def test_stops_sell_in_the_same_candle_at_the_same_price(tmp_path: Path) -> None:
    path = write_file(tmp_path)
    candles = read_candles(path, MINUTES, Period(0, 1 << 62))
    model = FillModel(D(0), D(0))
    begin = START + FIRST * MINUTES * 60_000
    run = scenario(Stopped(), {BTC: candles}, fills=model, cash=100_000, start=begin, minutes=MINUTES)
    fills = run_backtest(run).accounts[0].fills
    sizes = {_candle(fill): fill.size.amount for fill in fills if fill.side is Side.BUY}
    mine = [
        (_candle(fill), fill.price.amount, fill.reason.startswith("stop")) for fill in fills if fill.side is Side.SELL
    ]
    theirs = sold_at_the_exchange(tmp_path, sizes)
    assert sum(stopped for _, _, stopped in mine) > 5
    assert sum(not stopped for _, _, stopped in mine) > 5
    assert [(number, stopped) for number, _, stopped in mine] == [(number, stopped) for number, _, stopped in theirs]
    for (_, here, _), (_, there, _) in zip(mine, theirs, strict=True):
        assert abs(there - here) <= 2 * BASIS_POINT * here


def _candle(fill: BookedFill) -> int:
    return (fill.at - START) // (MINUTES * 60_000)
