"""Closes: a fraction of what is held from copying, and of nothing else."""

from __future__ import annotations

import inspect
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from shared.domain.exits import ExitSize, size_exit
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.sizing import Skip
from tests.support.examples import BTC_USD, NOW, an_instrument, btc, btc_price, usd

PRICE = btc_price(60000)
held_sizes = st.decimals(min_value="0.00000001", max_value=1_000, places=10)
fractions = st.decimals(min_value="0.0001", max_value=1, places=6)
lots = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.00001", "0.01", "0.003")])


def holding(size: str | Decimal) -> Position:
    """Return a position of that size."""
    return Position.flat(BTC_USD, NOW).bought(btc(size), usd(1000), NOW)


@pytest.mark.parametrize(("fraction", "sold"), [("1", "0.08"), ("0.37", "0.0296"), ("0.5", "0.04"), ("0.01", "0.0008")])
def test_exit_is_a_fraction_of_what_is_held(fraction: str, sold: str) -> None:
    outcome = size_exit(holding("0.08"), Decimal(fraction), an_instrument(), PRICE)
    assert isinstance(outcome, ExitSize)
    assert outcome.size == btc(sold)
    assert outcome.reason == f"{fraction} of 0.08 BTC held = {sold}"


@given(held_sizes, fractions, lots)
def test_never_sells_more_than_is_held_and_never_more_than_the_fraction_unless_the_rest_could_not_be_sold(
    held: Decimal, fraction: Decimal, lot: Decimal
) -> None:
    instrument = an_instrument(lot_step=lot)
    outcome = size_exit(holding(held), fraction, instrument, PRICE)
    if isinstance(outcome, Skip):
        wanted = btc(held * fraction).floored(lot)
        assert instrument.below_minimum(wanted, PRICE)
        return
    sold = outcome.size.amount
    assert 0 < sold <= held
    assert (Fraction(sold) / Fraction(lot)).denominator == 1
    if Fraction(sold) > Fraction(held) * Fraction(fraction):
        assert instrument.below_minimum(btc(held) - btc(held * fraction).floored(lot), PRICE)
        assert held - sold < lot


def test_a_rest_that_could_not_be_sold_later_is_sold_along() -> None:
    outcome = size_exit(holding("0.0001"), Decimal("0.9"), an_instrument(), PRICE)
    assert isinstance(outcome, ExitSize)
    assert outcome.size == btc("0.0001")
    assert "all of it because the remainder of 0.00001 BTC could not be sold later" in outcome.reason


def test_nothing_held_is_a_skip() -> None:
    flat = Position.flat(BTC_USD, NOW)
    assert size_exit(flat, Decimal(1), an_instrument(), PRICE) == Skip(
        "nothing is held from copying", ReasonCode.NOTHING_HELD
    )


def test_dust_is_a_visible_skip() -> None:
    outcome = size_exit(holding("0.00004"), Decimal(1), an_instrument(), PRICE)
    assert isinstance(outcome, Skip)
    assert outcome.code is ReasonCode.DUST
    assert outcome.reason.startswith("dust: 0.00004 BTC is below the venue's minimum of 0.00005 BTC")


@given(held_sizes, st.decimals(min_value=0, max_value=2_000, places=10))
def test_deposit_between_entry_and_exit(held: Decimal, free: Decimal) -> None:
    """Whatever came to the account or left it: sold is what copying bought, or the less that is still there."""
    instrument = an_instrument(min_size=Decimal("0.00000001"), min_cost=Decimal(0))
    outcome = size_exit(holding(held), Decimal(1), instrument, PRICE, has=btc(free))
    if min(held, free) < instrument.min_size:
        assert isinstance(outcome, Skip)
        return
    assert isinstance(outcome, ExitSize)
    assert outcome.size == btc(min(held, free)).floored(instrument.lot_step)


def test_what_the_account_has_in_all_cuts_the_sale_and_is_told() -> None:
    outcome = size_exit(holding("0.08"), Decimal("0.5"), an_instrument(), PRICE, has=btc("0.030000001"))
    assert isinstance(outcome, ExitSize)
    assert outcome.size == btc("0.03")
    assert outcome.reason.endswith("cut to 0.03, which is all the account has")


def test_a_close_asks_for_neither_cash_nor_equity_nor_the_age_of_the_signal() -> None:
    assert set(inspect.signature(size_exit).parameters) == {"position", "fraction", "instrument", "price", "has"}
