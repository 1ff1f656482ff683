"""No limit is exceeded over whole sequences of signals, fills and prices."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings, strategies as st

from shared.domain.control import Control
from shared.domain.copying.decision_plan import decide
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import (
    LimitPolicy,
    SizingPolicy,
    UserPolicy,
)
from shared.domain.limits.risk_state import RiskState, realized_by
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_instrument, usd
from tests.support.property_examples import scaled

ETH_USD, SOL_USD = Symbol("ETH", "USD"), Symbol("SOL", "USD")
BTC_USDC = Symbol("BTC", "USDC")
RUN = Control()


step = st.tuples(
    st.sampled_from([BTC_USD, ETH_USD, SOL_USD]),
    st.sampled_from(["entry", "entry", "entry", "exit", "price", "withdraw"]),
    st.integers(min_value=50, max_value=200),  # price of the symbol in the step
    st.integers(min_value=1, max_value=100),  # size, share sold, or share of the cash, in per cent
)
limit_policies = st.builds(
    LimitPolicy,
    max_order_pct=st.none() | st.integers(min_value=1, max_value=100).map(Decimal),
    max_order_quote=st.none() | st.integers(min_value=1, max_value=1_000).map(Decimal),
    max_positions=st.none() | st.integers(min_value=1, max_value=3),
    max_exposure_pct=st.none() | st.integers(min_value=1, max_value=100).map(Decimal),
    max_symbol_pct=st.none() | st.integers(min_value=1, max_value=100).map(Decimal),
    daily_loss_pct=st.none() | st.integers(min_value=1, max_value=20).map(Decimal),
    max_drawdown_pct=st.none() | st.integers(min_value=1, max_value=20).map(Decimal),
    max_trades_per_day=st.none() | st.integers(min_value=1, max_value=5),
)


class Market:
    """One user's account at a venue where limit orders fill whole at their limit, with a fee of 0.4 %."""

    def __init__(self, policy: UserPolicy) -> None:
        self.policy = policy
        self.cash = Decimal(1_000)
        self.prices = {symbol: Price(Decimal(100), symbol) for symbol in (BTC_USD, ETH_USD, SOL_USD)}
        self.positions: dict[Symbol, Position] = {}
        self.now = NOW
        self.trades = 0
        self.risk = RiskState.fresh("USD", NOW).at(NOW, usd(0), self.equity, policy.limits)

    @property
    def book(self) -> Portfolio:
        return Portfolio(dict(self.positions), dict(self.prices))

    @property
    def equity(self) -> Money:
        return usd(self.cash) + self.book.exposure("USD")

    def look(self) -> None:
        self.now += 1_000
        self.risk = self.risk.at(self.now, self.book.unrealized("USD"), self.equity, self.policy.limits)

    def enter(self, number: int, symbol: Symbol, pct: int) -> None:
        price = self.prices[symbol]
        signal = an_entry(
            f"entry {number}",
            symbol=symbol,
            base_size=Quantity(Decimal(pct), symbol.base),
            price=price,
            quote_size=Quantity(Decimal(pct), symbol.base) * price,
            filled_at=self.now,
        )
        account = an_account(equity=self.equity, cash=usd(self.cash), as_of=self.now)
        follower = Follower(self.policy, account, (RUN, RUN, RUN), self.book, self.risk)
        before = self.equity
        instrument = an_instrument(symbol=symbol, lot_step=Decimal("0.0001"), tick=Decimal("0.01"))
        decision = decide(signal, follower, instrument, self.now)
        if decision.copy is None:
            return
        size, limit = decision.copy.base_size, decision.copy.limit_price
        assert size is not None
        assert limit is not None
        self.judge(symbol, size * limit, before)
        cost = (size * limit).amount
        fee = cost * Decimal("0.004")
        self.cash -= cost + fee
        held = self.positions.get(symbol, Position.flat(symbol, self.now))
        self.positions[symbol] = held.bought(size, usd(cost + fee), self.now)
        self.risk = self.risk.after_fill(self.now, entry=True)
        self.trades += 1

    def judge(self, symbol: Symbol, cost: Money, equity: Money) -> None:
        """Hold the decision against every limit, with arithmetic of the test's own."""
        limits, spent, whole = self.policy.limits, Fraction(cost.amount), Fraction(equity.amount)
        worth = {
            name: Fraction(each.size.amount) * Fraction(self.prices[name].amount)
            for name, each in self.positions.items()
        }
        held = {name for name, value in worth.items() if value >= 1}
        assert spent * Fraction("1.004") <= Fraction(self.cash)
        assert limits.max_order_quote is None or spent <= Fraction(limits.max_order_quote)
        assert limits.max_order_pct is None or spent <= whole * Fraction(limits.max_order_pct) / 100
        assert limits.max_positions is None or len(held | {symbol}) <= max(limits.max_positions, len(held))
        if limits.max_exposure_pct is not None:
            assert sum(worth.values()) + spent <= whole * Fraction(limits.max_exposure_pct) / 100
        if limits.max_symbol_pct is not None:
            assert worth.get(symbol, Fraction(0)) + spent <= whole * Fraction(limits.max_symbol_pct) / 100
        assert limits.max_trades_per_day is None or self.trades < limits.max_trades_per_day
        assert not (limits.stop_out and self.risk.stopped(self.now))

    def sell(self, symbol: Symbol, pct: int) -> None:
        held = self.positions.get(symbol)
        if held is None or held.size.amount == 0:
            return
        sold = held.portion(Decimal(pct) / 100, Decimal("0.0001"))
        proceeds = sold * self.prices[symbol]
        fee = proceeds.scaled(Decimal("0.004"))
        self.cash += (proceeds - fee).amount
        self.positions[symbol] = held.sold(sold, self.now)
        self.risk = self.risk.after_fill(self.now, realized=realized_by(held, sold, proceeds, fee))


@settings(max_examples=scaled(200))
@given(limit_policies, st.sampled_from(["0.1", "1", "3"]), st.lists(step, max_size=25))
def test_no_limit_is_passed_by_any_sequence_of_signals_fills_and_prices(
    limits: LimitPolicy, multiplier: str, steps: list[tuple[Symbol, str, int, int]]
) -> None:
    market = Market(a_policy(limits=limits, sizing=SizingPolicy(multiplier=Decimal(multiplier))))
    for number, (symbol, what, price, pct) in enumerate(steps):
        if what == "entry":
            market.enter(number, symbol, pct)
        elif what == "exit":
            market.sell(symbol, pct)
        elif what == "price":
            market.prices[symbol] = Price(Decimal(price), symbol)
        else:
            market.cash -= market.cash * Decimal(pct) / 100
        market.look()
        assert market.cash >= 0
