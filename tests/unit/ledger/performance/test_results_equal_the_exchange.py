"""Positions, profit and fees equal the paper exchange's own books to the last digit, whatever a day was like."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final

from hypothesis import given, settings, strategies as st

from shared.ledger.performance.check import differences, sum_trades
from shared.ledger.performance.read_results import account_result
from shared.ledger.performance.results import AccountResult
from shared.ledger.performance.trades import Trade, trade_of
from tests.support.paper_days import START, SYMBOLS, PaperDay
from tests.support.property_examples import scaled

_EXACT: Final = Context(prec=200)
ZERO: Final = Decimal(0)


@settings(max_examples=scaled(1_000), deadline=None)
@given(st.integers(0, 2**32))
def test_a_day_adds_up_to_the_balances_of_the_exchange(seed: int) -> None:
    day = PaperDay(seed)
    result = _result(day)
    _check_symbols(day, result)
    sums = result.sums.get("USD")
    if sums is None:
        assert day.account.trades == []
        return
    cash = day.account.balances["USD"] - START
    value = sum((_times(day.account.balances[each.base], day.prices[each]) for each in SYMBOLS), ZERO)
    assert sums.cash_flow == cash
    assert sums.value == value
    assert sums.pnl == _EXACT.add(cash, value), "profit is what the account is worth beyond what it began with"
    assert sums.fees == sum((trade.fee for trade in day.account.trades if trade.fee_asset == "USD"), ZERO)
    assert sums.adjusted_cost == 0
    assert sums.pnl == _EXACT.add(sums.realized, sums.unrealized or ZERO)
    assert sums.trades == sum(1 for order in day.account.orders.values() if order.filled)


@settings(max_examples=scaled(300), deadline=None)
@given(st.integers(0, 2**32))
def test_the_sums_can_be_summed_up_again_from_the_reports(seed: int) -> None:
    day = PaperDay(seed)
    trades = _trades(day)
    result, expected = _result(day), sum_trades(trades)
    for each in result.symbols:
        assert differences(each.totals, expected[each.symbol]) == []
    assert all(trade.exact for trade in trades)
    assert sum((trade.paid.amount for trade in trades), ZERO) == START - day.account.balances["USD"]
    for symbol in SYMBOLS:
        gained = sum((trade.gained.amount for trade in trades if trade.symbol == symbol), ZERO)
        assert gained == day.account.balances[symbol.base]


def _check_symbols(day: PaperDay, result: AccountResult) -> None:
    found = {each.symbol: each for each in result.symbols}
    for symbol in SYMBOLS:
        trades = [trade for trade in day.account.trades if trade.order.instrument.symbol == str(symbol)]
        assert (symbol in found) == bool(trades)
        if symbol not in found:
            continue
        each = found[symbol]
        assert each.held.size.amount == day.account.balances[symbol.base]
        assert each.adjusted[0].amount == 0
        assert each.totals.base_fees == sum((one.fee for one in trades if one.fee_asset == symbol.base), ZERO)
        assert each.totals.bought == sum((one.size for one in trades if one.order.side == "buy"), ZERO)
        assert each.totals.sold == sum((one.size for one in trades if one.order.side == "sell"), ZERO)


def _result(day: PaperDay) -> AccountResult:
    return account_result("alice", "kraken", None, _flat(day.booked.positions), _flat(day.booked.sums), day.published())


def _trades(day: PaperDay) -> list[Trade]:
    return [trade for entry in day.booked.reports if (trade := trade_of(entry)) is not None]


def _flat(fields: dict[str, str]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


def _times(one: Decimal, other: Decimal) -> Decimal:
    return _EXACT.multiply(one, other)


def test_the_symbols_of_the_days_are_traded_there() -> None:
    day = PaperDay(7, steps=60)
    traded = {trade.order.instrument.symbol for trade in day.account.trades}
    assert traded == set(map(str, SYMBOLS))
    assert {trade.fee_asset for trade in day.account.trades} > {"USD"}
    parts = [order for order in day.account.orders.values() if len(order.trades) > 1]
    assert parts
    assert {trade.order.side.value for trade in day.account.trades} == {"buy", "sell"}
