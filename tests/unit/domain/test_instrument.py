"""What a venue asks of an order's size, and the seed table for the moment before it has been asked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.domain.values.instrument import seed_instruments
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, an_instrument, btc, btc_price


@pytest.mark.parametrize(
    ("size", "price", "missed"),
    [
        ("0.00005", "60000", ""),
        ("0.00004999", "60000", "0.00004999 BTC is below the venue's minimum of 0.00005 BTC"),
        ("0.00005", "9999", "0.49995 USD is below the venue's minimum value of 0.5 USD"),
        ("0.00005", "10000", ""),
    ],
)
def test_a_minimum_that_would_be_missed_is_named(size: str, price: str, missed: str) -> None:
    assert an_instrument().below_minimum(btc(size), btc_price(price)) == missed


def test_the_seed_tables_hold_the_facts_of_the_venues() -> None:
    kraken, coinbase = seed_instruments("kraken"), seed_instruments("coinbase")
    assert kraken[BTC_USD].min_size == Decimal("0.00005")
    assert kraken[BTC_USD].tick == Decimal("0.1")
    assert kraken[Symbol("SUI", "USD")].lot_step == Decimal("0.00001")
    assert kraken[BTC_USD].min_cost == Decimal("0.5")
    assert coinbase[Symbol("DOGE", "USD")].lot_step == Decimal("0.1")
    assert coinbase[BTC_USD].min_cost == Decimal(1)
    assert set(kraken) == set(coinbase)


def test_a_venue_that_nobody_knows_has_no_pairs() -> None:
    assert seed_instruments("binance") == {}
