"""The result of a backtest, as values that tables, JSON and the report show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.backtest.accounts.ledger import BookedFill, Ledger, RoundTrip
from shared.backtest.accounts.master import MasterAccount
from shared.backtest.accounts.skip_counts import SkipCount
from shared.backtest.accounts.user import UserAccount
from shared.backtest.results.equity_curve import EquityCurve
from shared.backtest.results.metrics import (
    annual_return,
    daily_returns,
    max_drawdown,
    sharpe_ratio,
    sortino_ratio,
    total_return,
)
from shared.domain.order import Kind
from shared.domain.values.money import ZERO, Money
from shared.domain.values.symbol import Symbol


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares are 0..1 (0.1 is 10 %), the drawdown is negative; None where a figure is not defined."""

    total_return: float
    cagr: float | None
    max_drawdown: float
    sharpe: float | None
    sortino: float | None
    win_rate: float | None
    """The share of closed round trips that made money with all fees."""
    profit_factor: float | None
    """What the winning round trips made over what the others lost; None if none lost."""
    exposure: float
    """The share of the candles at whose close something was held."""
    trades: int
    """Closed round trips."""


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """What was still held at the end, valued at the last close."""

    symbol: Symbol
    value: Money
    unrealized: Money


@dataclass(frozen=True, slots=True)
class AccountResult:
    """One account: the master's, or a user's."""

    name: str
    venue: str
    start: Money
    end: Money
    fees: Money
    figures: Figures
    equity: Sequence[Decimal]
    """By the instants of `BacktestResult`."""
    fills: Sequence[BookedFill]
    round_trips: Sequence[RoundTrip]
    held: Sequence[OpenPosition]
    skips: Sequence[SkipCount]
    copied: Mapping[Kind, int]
    """How many of the master's entries and exits were copied; empty for the master."""
    own_exits: Mapping[str, int]
    """What the user's own settings closed, by rule."""


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Instants in epoch ms; `instants` are those of each account's `equity`."""

    start: int
    end: int
    candles: int
    instants: Sequence[int]
    accounts: Sequence[AccountResult]


def master_result(account: MasterAccount, curve: EquityCurve) -> AccountResult:
    """Return the result of the master, whose curve is the first."""
    skips = [skip for seat in account.seats for skip in seat.skips.listed()]
    return _result("master", account.venue, account.ledger, curve, 0, skips)


def user_result(account: UserAccount, curve: EquityCurve, place: int) -> AccountResult:
    """Return the result of a user, whose curve is at `place`."""
    skips, venue = account.skips.listed(), account.setup.venue or ""
    return _result(
        account.policy.user,
        venue,
        account.ledger,
        curve,
        place,
        skips,
        copied={kind: account.copied[kind] for kind in Kind},
        own=account.own_exits,
    )


def _result(
    name: str,
    venue: str,
    ledger: Ledger,
    curve: EquityCurve,
    place: int,
    skips: Sequence[SkipCount],
    *,
    copied: Mapping[Kind, int] | None = None,
    own: Mapping[str, int] | None = None,
) -> AccountResult:
    equity = curve.of(place)
    return AccountResult(
        name=name,
        venue=venue,
        start=Money(equity[0], ledger.currency),
        end=Money(equity[-1], ledger.currency),
        fees=ledger.fees,
        figures=_figures(equity, ledger.round_trips, curve.exposure(place)),
        equity=equity,
        fills=ledger.fills,
        round_trips=ledger.round_trips,
        held=_held(ledger),
        skips=skips,
        copied=dict(copied or {}),
        own_exits=dict(own or {}),
    )


def _figures(equity: Sequence[Decimal], round_trips: Sequence[RoundTrip], exposure: float) -> Figures:
    returns = daily_returns(equity)
    won = sum((each.made.amount for each in round_trips if each.made.amount > 0), ZERO)
    lost = -sum((each.made.amount for each in round_trips if each.made.amount < 0), ZERO)
    wins = sum(each.made.amount > 0 for each in round_trips)
    return Figures(
        total_return=total_return(returns),
        cagr=annual_return(returns),
        max_drawdown=max_drawdown(returns),
        sharpe=sharpe_ratio(returns),
        sortino=sortino_ratio(returns),
        win_rate=wins / len(round_trips) if round_trips else None,
        profit_factor=float(won / lost) if lost else None,
        exposure=exposure,
        trades=len(round_trips),
    )


def _held(ledger: Ledger) -> Sequence[OpenPosition]:
    found = []
    for symbol, position in ledger.positions.items():
        value = position.size * ledger.prices[symbol]
        found.append(OpenPosition(symbol, value, value - position.cost))
    return found
