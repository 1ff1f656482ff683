"""The dollar and its coin are counted alike; nothing else is, and no rate is made up."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.valuation import value
from shared.domain.values.currency import alike, counted_in
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, btc, btc_price, usd

BTC_USDC, USDC_USD = Symbol("BTC", "USDC"), Symbol("USDC", "USD")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("USD", "USDC", True), ("USDC", "USD", True), ("EUR", "EUR", True), ("USD", "EUR", False), ("USDT", "USD", False)],
)
def test_which_currencies_are_alike(one: str, other: str, same: bool) -> None:
    assert alike(one, other) is same
    counted = counted_in(Money(Decimal(5), one), other)
    assert counted == (Money(Decimal(5), other) if same else None)


def test_coins_of_the_dollar_are_equity_one_to_one_unless_the_market_says_otherwise() -> None:
    holdings = {"USDC": Decimal(100), "EUR": Decimal(7)}
    assert value(usd(50), holdings, {}).worth == usd(150)
    assert value(usd(50), holdings, {USDC_USD: Price(Decimal("0.99"), USDC_USD)}).worth == usd(149)


def test_a_price_in_dollars_values_what_an_account_in_their_coin_holds() -> None:
    cash = Money(Decimal(10), "USDC")
    total = value(cash, {"BTC": Decimal("0.5"), "USD": Decimal(5)}, {BTC_USD: btc_price(60000)})
    assert total.equity == Money(Decimal(30015), "USDC")


def test_a_book_sums_what_is_held_at_market_and_what_it_gained() -> None:
    book = Portfolio(
        {
            BTC_USD: Position(BTC_USD, btc("0.5"), usd(25000), NOW, NOW),
            BTC_USDC: Position(BTC_USDC, btc("0.1"), Money(Decimal(7000), "USDC"), NOW, NOW),
            Symbol("ETH", "USD"): Position(Symbol("ETH", "USD"), Quantity(Decimal(1), "ETH"), usd(2000), NOW, NOW),
            Symbol("ADA", "EUR"): Position(
                Symbol("ADA", "EUR"), Quantity(Decimal(9), "ADA"), Money(Decimal(9), "EUR"), NOW, NOW
            ),
        },
        {BTC_USD: btc_price(60000), BTC_USDC: Price(Decimal(60000), BTC_USDC)},
    )
    assert book.exposure("USD") == usd(38000)  # 30,000 and 6,000 at market, ETH at its cost; euros have no rate
    assert book.exposure("USD", "BTC") == usd(36000)
    assert book.unrealized("USD") == usd(4000)  # 5,000 less 1,000
    assert book.assets() == {"BTC", "ETH", "ADA"}
