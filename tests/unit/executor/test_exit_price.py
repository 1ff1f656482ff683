"""The bounds of an exit's legs: a wide limit first, then the market, and the other way round once that was refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.executor.orders.exit_price import bound
from shared.domain.values.instrument import PairStatus
from tests.support.examples import an_instrument, btc_price

TWO_PER_CENT = Decimal(200)


@pytest.mark.parametrize(("leg", "refusals", "bounded"), [(1, 0, True), (1, 1, False), (2, 0, False), (2, 1, True)])
def test_the_first_leg_is_bounded_and_a_refusal_turns_that_round(leg: int, refusals: int, bounded: bool) -> None:
    found = bound(btc_price("60000"), an_instrument(), TWO_PER_CENT, leg, refusals)
    assert found == (btc_price("58800") if bounded else None)


def test_the_bound_lies_on_the_tick_inside_the_slippage() -> None:
    assert bound(btc_price("60000.3"), an_instrument(tick=Decimal(1)), TWO_PER_CENT, 1, 0) == btc_price("58801")


def test_a_pair_that_takes_only_limits_gets_limits() -> None:
    assert bound(btc_price("60000"), an_instrument(status=PairStatus.LIMIT_ONLY), TWO_PER_CENT, 2, 0) is not None


def test_a_bound_of_nothing_is_the_market() -> None:
    assert bound(btc_price("60000"), an_instrument(), Decimal(10_000), 1, 0) is None


@pytest.mark.parametrize(("masters", "least"), [("59000", "59000"), ("58000", "58800"), ("61000.04", "61000.1")])
def test_the_masters_price_at_another_venue_bounds_the_first_try_if_it_is_stricter(masters: str, least: str) -> None:
    found = bound(btc_price("60000"), an_instrument(), TWO_PER_CENT, 1, 0, btc_price(masters))
    assert found == btc_price(least)


@pytest.mark.parametrize("status", [PairStatus.ONLINE, PairStatus.LIMIT_ONLY])
@pytest.mark.parametrize(("leg", "refusals"), [(1, 1), (1, 2), (2, 0), (2, 1), (3, 0)])
def test_the_masters_price_bounds_no_later_try(status: PairStatus, leg: int, refusals: int) -> None:
    found = bound(btc_price("60000"), an_instrument(status=status), TWO_PER_CENT, leg, refusals, btc_price("61000"))
    assert found in {None, btc_price("58800")}
