"""Amounts know their unit, are written plainly, and are only ever rounded the way that is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, strategies as st

from shared.domain.values.money import Money, Price, Quantity, UnitMismatchError, floor_to, plain
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, btc, btc_price, usd

any_decimal = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
amounts = st.decimals(min_value=0, max_value=10**9, places=10)
steps = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.00005", "0.001", "0.1", "0.25", "0.3", "1", "7")])
ETH_EUR = Symbol("ETH", "EUR")


@given(any_decimal)
@example(Decimal("5E-8"))
@example(Decimal("6E+4"))
@example(Decimal("-0.000"))
@example(Decimal("0E+5"))
@example(Decimal("100"))
def test_a_plain_decimal_has_no_exponent_and_keeps_its_value(value: Decimal) -> None:
    written = plain(value)
    assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", written)
    assert written != "-0"
    assert Decimal(written) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [("0.00005000", "0.00005"), ("60000", "60000"), ("0", "0"), ("1.10", "1.1"), ("1E+3", "1000"), ("-2.50", "-2.5")],
)
def test_plain_decimals_look_as_people_write_them(value: str, written: str) -> None:
    assert plain(Decimal(value)) == written


@pytest.mark.parametrize(
    "mixed",
    [
        lambda: btc(1) + Quantity(Decimal(1), "ETH"),
        lambda: btc(1) - Quantity(Decimal(1), "ETH"),
        lambda: btc(1) < Quantity(Decimal(1), "ETH"),
        lambda: btc(1) <= Quantity(Decimal(1), "ETH"),
        lambda: btc(1) * Price(Decimal(1), ETH_EUR),
        lambda: usd(1) + Money(Decimal(1), "EUR"),
        lambda: usd(1) - Money(Decimal(1), "EUR"),
        lambda: usd(1) < Money(Decimal(1), "EUR"),
        lambda: usd(1) <= Money(Decimal(1), "EUR"),
        lambda: usd(1) / Price(Decimal(1), ETH_EUR),
        lambda: usd(1).ratio_to(Money(Decimal(1), "EUR")),
    ],
)
def test_amounts_of_different_units_never_meet(mixed: Callable[[], object]) -> None:
    with pytest.raises(UnitMismatchError):
        mixed()


def test_quantities_of_different_assets_are_not_equal_even_if_their_numbers_are() -> None:
    assert btc(1) != Quantity(Decimal(1), "ETH")
    assert usd(1) != Money(Decimal(1), "EUR")


def test_a_quantity_at_a_price_is_money_and_money_at_a_price_is_a_quantity() -> None:
    assert btc("0.5") * btc_price(60000) == usd(30000)
    assert usd(30000) / btc_price(60000) == btc("0.5")


@given(amounts, amounts)
def test_sums_and_differences_of_one_unit_are_exact_and_keep_it(one: Decimal, other: Decimal) -> None:
    assert btc(one) + btc(other) - btc(other) == btc(one)
    assert usd(one) + usd(other) - usd(other) == usd(one)
    assert (btc(one) < btc(other)) == (one < other)
    assert (usd(one) <= usd(other)) == (one <= other)


@given(amounts, steps)
@example(Decimal("0.00004999999999999999999999999999"), Decimal("0.00005"))  # its quotient rounds up to 1 at 28 digits
@example(Decimal("0.8999999999999999999999999999"), Decimal("0.3"))
def test_floor_to_gives_the_highest_multiple_that_is_not_above(amount: Decimal, step: Decimal) -> None:
    floored = floor_to(amount, step)
    assert (Fraction(floored) / Fraction(step)).denominator == 1
    assert Fraction(floored) <= Fraction(amount)
    assert Fraction(amount) - Fraction(floored) < Fraction(step)


def test_floor_to_goes_down_for_negative_amounts_too() -> None:
    assert floor_to(Decimal("-0.15"), Decimal("0.1")) == Decimal("-0.2")
    assert floor_to(Decimal("-0.2"), Decimal("0.1")) == Decimal("-0.2")


@given(st.decimals(min_value="0.0000001", max_value=10**6, places=10), steps)
@example(Decimal("0.3000000000000000000000000001"), Decimal("0.3"))
def test_a_price_is_rounded_to_the_tick_on_the_side_that_is_asked_for(amount: Decimal, tick: Decimal) -> None:
    price = Price(amount, BTC_USD)
    down, up = Fraction(price.floored(tick).amount), Fraction(price.ceiled(tick).amount)
    assert down <= Fraction(amount) <= up
    assert Fraction(amount) - down < Fraction(tick)
    assert up - Fraction(amount) < Fraction(tick)
    assert (down / Fraction(tick)).denominator == (up / Fraction(tick)).denominator == 1


def test_basis_points_are_hundredths_of_a_per_cent() -> None:
    assert btc_price(100).shifted(Decimal(50)) == btc_price("100.5")
    assert btc_price(60000).shifted(Decimal(-50)) == btc_price(59700)


def test_amounts_show_their_unit() -> None:
    assert (str(btc("0.10")), str(usd("5E+3")), str(btc_price("60000.10"))) == ("0.1 BTC", "5000 USD", "60000.1 USD")
