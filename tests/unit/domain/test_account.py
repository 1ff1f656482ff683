"""A position is what copying bought, and never a debt."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.domain.position import Position
from shared.domain.values.money import UnitMismatchError
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, btc, usd

sizes = st.decimals(min_value="0.00000001", max_value=1000, places=8)


@given(sizes, sizes)
def test_a_position_adds_what_is_bought_and_what_it_cost(one: Decimal, other: Decimal) -> None:
    held = Position.flat(BTC_USD, NOW).bought(btc(one), usd(100), NOW + 1).bought(btc(other), usd(50), NOW + 2)
    assert held.size == btc(one + other)
    assert held.cost == usd(150)
    assert (held.opened_at, held.updated_at) == (NOW + 1, NOW + 2)


@given(sizes, sizes)
def test_selling_never_leaves_a_debt(held_size: Decimal, sold: Decimal) -> None:
    held = Position.flat(BTC_USD, NOW).bought(btc(held_size), usd(100), NOW)
    left = held.sold(btc(sold), NOW + 1)
    assert left.size == btc(max(held_size - sold, Decimal(0)))
    assert Decimal(0) <= left.cost.amount < Decimal(100)


def test_selling_a_part_takes_its_share_of_the_cost() -> None:
    held = Position.flat(BTC_USD, NOW).bought(btc("0.8"), usd(1000), NOW)
    assert held.sold(btc("0.2"), NOW + 1).cost == usd(750)


def test_a_position_opened_again_after_it_was_flat_is_a_new_one() -> None:
    flat = Position.flat(BTC_USD, NOW).bought(btc(1), usd(100), NOW).sold(btc(1), NOW + 5)
    assert (flat.size, flat.cost) == (btc(0), usd(0))
    assert flat.bought(btc(1), usd(90), NOW + 9).opened_at == NOW + 9


def test_a_position_takes_no_other_asset() -> None:
    with pytest.raises(UnitMismatchError):
        Position.flat(Symbol("ETH", "USD"), NOW).bought(btc(1), usd(1), NOW)
