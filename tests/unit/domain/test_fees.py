"""Fees are kept by pair, and what is not known costs what the venue's dearest tier does. Case R9."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.contracts.records import AccountRecord
from shared.domain.values.fees import TakerFees, dearest_taker_fee
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD

USDT_USD = Symbol("USDT", "USD")


def test_a_pair_that_was_not_asked_costs_what_the_dearest_tier_does() -> None:
    fees = TakerFees("kraken", [BTC_USD])
    fees.learn(BTC_USD, Decimal("0.001"))
    assert (fees.of(BTC_USD), fees.dearest) == (Decimal("0.001"), Decimal("0.001"))
    assert fees.of(USDT_USD) == Decimal("0.004")
    assert (fees.dearest, fees.next()) == (Decimal("0.004"), USDT_USD)  # it is traded now, and asked for next
    fees.learn(USDT_USD, Decimal("0.002"))
    assert (fees.of(USDT_USD), fees.dearest) == (Decimal("0.002"), Decimal("0.002"))


def test_pairs_are_asked_for_in_turn() -> None:
    fees = TakerFees("kraken", [BTC_USD, USDT_USD])
    asked = []
    for _ in range(4):
        symbol = fees.next()
        assert symbol is not None
        fees.learn(symbol, Decimal("0.001"))
        asked.append(symbol)
    assert asked == [BTC_USD, USDT_USD, BTC_USD, USDT_USD]
    fees.forget(BTC_USD)
    fees.forget(USDT_USD)
    assert (fees.next(), fees.dearest) == (None, Decimal("0.004"))


@pytest.mark.parametrize(("venue", "fee"), [("kraken", "0.004"), ("coinbase", "0.012"), ("elsewhere", "0.012")])
def test_an_account_without_a_known_fee_pays_the_dearest_of_its_own_venue(venue: str, fee: str) -> None:
    assert dearest_taker_fee(venue) == Decimal(fee)
    assert AccountRecord().to_domain("alice", venue).taker_fee == Decimal(fee)
