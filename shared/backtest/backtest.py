"""Runs a strategy over candles, with users who copy it, in the order in which it would have happened.

A step is the beginning of a candle, for all pairs that have one then:
1. What was decided at the previous close fills at the open, the master's first, each fill copied by users at once.
2. Stops, targets and the users' own exits act within the candle (`candle_path.py`).
3. At its close users' losses are looked at, and each strategy decides about the pairs with a whole window.

No step costs more because of what happened before it. Nothing here is random, and nothing sees a candle before its close.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.backtest.accounts.master import MasterAccount, MasterSetup
from shared.backtest.accounts.master_fill import MasterFill
from shared.backtest.accounts.price_board import PriceBoard
from shared.backtest.accounts.seat import Seat
from shared.backtest.accounts.user import UserAccount, UserSetup
from shared.backtest.candle_path import CandlePath
from shared.backtest.fill_model import FillModel
from shared.backtest.market import PairMarket
from shared.backtest.results.equity_curve import EquityCurve
from shared.backtest.results.result import BacktestResult, master_result, user_result
from shared.domain.limits.risk_state import utc_minute
from shared.domain.values.symbol import Symbol
from shared.strategies.own_class.failure import describe_failure
from shared.venues.port import Candle

_REPORT_EVERY: Final = 1000  # steps between two reports of the progress


class StrategyFailedError(Exception):
    """A strategy raised an exception, or returned what is no intent; the text names the candle."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run. Candles before `start` (epoch ms) only fill the strategies' windows."""

    candles: Mapping[Symbol, Sequence[Candle]]
    minutes: int
    start: int
    master: MasterSetup
    users: Sequence[UserSetup]
    fills: FillModel


def run_backtest(scenario: Scenario, progress: Callable[[int], None] = lambda _: None) -> BacktestResult:
    """Run a backtest; `progress` is called with the candles done so far. Raises StrategyFailedError."""
    return _Run(scenario, progress).run()


class _Run:
    def __init__(self, scenario: Scenario, progress: Callable[[int], None]) -> None:
        self._scenario = scenario
        self._progress = progress
        self._step = scenario.minutes * 60_000
        names = {
            symbol: tuple(dict.fromkeys((symbol, *(each.policy.symbols.mapped(symbol) for each in scenario.users))))
            for symbol in scenario.candles
        }
        self._board = PriceBoard(names)
        self._markets = [PairMarket(symbol, candles, scenario.minutes) for symbol, candles in scenario.candles.items()]
        self._users = [UserAccount(each, scenario.fills, self._board, scenario.start) for each in scenario.users]
        self._losses = [user for user in self._users if user.watches_losses]
        self._timed = [user for user in self._users if user.watches_time or user.watches_losses]
        self._master = MasterAccount(scenario.master, scenario.fills, self._board, self._copy)
        self._path = CandlePath([*self._master.seats, *self._users])
        ledgers = [self._master.ledger, *(user.ledger for user in self._users)]
        self._curve = EquityCurve(ledgers, scenario.start)

    def run(self) -> BacktestResult:
        done = 0
        for at, markets in self._steps():
            if at < self._scenario.start:
                for market in markets:
                    market.advance()
            else:
                self._trade(at, markets)
            done += len(markets)
            if done % _REPORT_EVERY < len(markets):
                self._progress(done)
        self._progress(done)
        curve = self._curve
        curve.finish()
        users = (user_result(user, curve, place) for place, user in enumerate(self._users, 1))
        return BacktestResult(
            start=self._scenario.start,
            end=curve.now,
            candles=done,
            instants=curve.instants,
            accounts=(master_result(self._master, curve), *users),
        )

    def _steps(self) -> Iterator[tuple[int, Sequence[PairMarket]]]:
        """Iterate over the instants at which candles begin, with the pairs that have one then."""
        while True:
            following = [at for market in self._markets if (at := market.next_at) is not None]
            if not following:
                return
            first = min(following)
            yield first, [market for market in self._markets if market.next_at == first]

    def _trade(self, at: int, markets: Sequence[PairMarket]) -> None:
        board, path, seats = self._board, self._path, self._master.seats
        self._curve.reach(at)
        opened = [(market, market.advance()) for market in markets]
        for market, candle in opened:
            board.set(market.symbol, candle.open)
        for market, candle in opened:
            for user in self._timed:
                if user.open(market.symbol, candle.open, at):
                    path.changed(market.symbol)
            for seat in seats:
                seat.open(market.symbol, candle, on_time=market.on_time)
        for market, candle in opened:
            path.walk(market.symbol, candle)
            board.set(market.symbol, candle.close)
        for user in self._losses:
            user.look_at_losses(at + self._step)
        self._curve.close(at + self._step)
        for seat in seats:
            self._decide(seat, markets, at + self._step)

    def _decide(self, seat: Seat, markets: Sequence[PairMarket], now: int) -> None:
        setup, ledger = seat.setup, self._master.ledger
        needs = setup.frame.strategy.needs
        windows = {
            market.symbol: window
            for market in markets
            if market.symbol in setup.symbols
            and (window := market.window(needs, seat.candles_needed(market.symbol))) is not None
        }
        if not windows:
            return
        try:
            seat.decide(windows, now, ledger.equity.scaled(setup.share), ledger.cash)
        except Exception as error:
            name, when = setup.name, utc_minute(now)
            raise StrategyFailedError(f"{name} at {when}: {describe_failure(error)}") from error

    def _copy(self, fill: MasterFill) -> None:
        self._path.changed(fill.signal.symbol)
        for user in self._users:
            user.copy(fill)
