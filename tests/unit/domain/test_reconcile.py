"""Positions against balances, as pure functions."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, strategies as st

from shared.domain.position import Position
from shared.domain.reconcile import at_rest, compare, lowered
from shared.domain.values.money import Money, Quantity
from shared.domain.values.symbol import Symbol

USD, USDC, ETH = Symbol("BTC", "USD"), Symbol("BTC", "USDC"), Symbol("ETH", "USD")
amounts = st.decimals(0, 1000, places=8, allow_nan=False)


def held(symbol: Symbol, size: str | Decimal, updated_at: int = 0) -> Position:
    return Position(symbol, Quantity(Decimal(size), symbol.base), Money(Decimal(300), symbol.quote), 0, updated_at)


def book(*positions: Position) -> dict[Symbol, Position]:
    return {position.symbol: position for position in positions}


def test_a_balance_that_covers_the_position_is_no_difference_however_large_it_is() -> None:
    assert compare(book(held(USD, "0.5")), {"BTC": Decimal("0.5")}) == []
    assert compare(book(held(USD, "0.5")), {"BTC": Decimal(7), "ETH": Decimal(1)}) == []
    assert compare({}, {"BTC": Decimal(7)}) == []


def test_what_the_account_lacks_is_told_with_both_amounts() -> None:
    (short,) = compare(book(held(USD, "0.5")), {"BTC": Decimal("0.2")})
    assert (short.symbol, str(short)) == (USD, "0.5 BTC held from copying, but the account has only 0.2 BTC")
    (gone,) = compare(book(held(USD, "0.5")), {})
    assert gone.found.amount == 0


def test_symbols_of_one_asset_share_its_balance() -> None:
    both = book(held(USDC, "0.3"), held(USD, "0.5"))
    assert compare(both, {"BTC": Decimal("0.8")}) == []
    (short,) = compare(both, {"BTC": Decimal("0.6")})
    assert (short.symbol, short.found.amount) == (USDC, Decimal("0.1"))


def test_an_asset_with_an_order_under_way_or_a_fresh_fill_is_not_judged() -> None:
    positions = book(held(USD, "0.5"), held(USDC, "0.3"), held(ETH, "1", updated_at=900))
    assert set(at_rest(positions, [], changed_before=1000)) == {USD, USDC, ETH}
    assert set(at_rest(positions, [USDC], changed_before=1000)) == {ETH}
    assert set(at_rest(positions, [], changed_before=899)) == {USD, USDC}
    assert set(at_rest(positions, [Symbol("BTC", "EUR")], changed_before=1000)) == {ETH}


def test_a_lowered_position_keeps_its_price_and_the_instant_of_its_last_fill() -> None:
    position = held(USD, "0.5", updated_at=7)
    (short,) = compare(book(position), {"BTC": Decimal("0.2")})
    left = lowered(position, short)
    assert (left.size.amount, left.cost.amount, left.updated_at) == (Decimal("0.2"), Decimal(120), 7)


@given(first=amounts, second=amounts, balance=amounts)
def test_lowering_every_difference_leaves_nothing_to_tell(first: Decimal, second: Decimal, balance: Decimal) -> None:
    positions = book(held(USD, first), held(USDC, second))
    totals = {"BTC": balance}
    for difference in compare(positions, totals):
        positions[difference.symbol] = lowered(positions[difference.symbol], difference)
    assert compare(positions, totals) == []
