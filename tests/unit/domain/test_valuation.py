"""An account is worth what is known of it, and what is not known is named: it is never dropped in silence."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.domain.valuation import route, smallest_orders, value
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, btc, btc_price, usd

EUR_USD, USD_CAD, BTC_EUR = (Symbol.parse(name) for name in ("EUR/USD", "USD/CAD", "BTC/EUR"))


def _price(symbol: Symbol, amount: str) -> Price:
    return Price(Decimal(amount), symbol)


def test_equity_is_cash_plus_holdings_at_market() -> None:
    eth_usd = Symbol("ETH", "USD")
    prices = {BTC_USD: btc_price(60000), eth_usd: _price(eth_usd, "3000")}
    holdings = {"USD": Decimal(1000), "BTC": Decimal("0.5"), "ETH": Decimal(2)}
    found = value(usd(1000), holdings, prices)
    assert (found.equity, found.missing, found.whole) == (usd(37000), "", True)


def test_what_has_no_price_makes_the_equity_unknown_and_is_named() -> None:
    """Case D1."""
    found = value(usd(1000), {"BTC": Decimal("0.1"), "XYZ": Decimal(9000)}, {BTC_USD: btc_price(60000)})
    assert found.equity is None
    assert found.at_least == usd(7000)
    assert found.missing == "no price for 9,000 XYZ"
    assert found.unvalued == (Quantity(Decimal(9000), "XYZ"),)


def test_a_balance_that_could_not_be_read_makes_the_equity_unknown() -> None:
    found = value(usd(1000), {}, {}, unread=["ETH"])
    assert (found.equity, found.at_least, found.missing) == (None, usd(1000), "the balance of ETH could not be read")


def test_what_may_be_a_debt_leaves_no_lower_bound() -> None:
    found = value(usd(1000), {"XYZ": Decimal(-5)}, {})
    assert (found.equity, found.at_least, found.missing) == (None, None, "no price for -5 XYZ")


@pytest.mark.parametrize(
    ("currency", "prices", "holdings", "worth"),
    [
        ("USD", [(EUR_USD, "1.1")], {"EUR": "100"}, "110"),
        ("USD", [(USD_CAD, "1.25")], {"CAD": "100"}, "80"),
        ("EUR", [(EUR_USD, "1.25")], {"USD": "100"}, "80"),
        ("EUR", [(BTC_EUR, "50000")], {"BTC": "0.5"}, "25000"),
        ("USD", [(BTC_EUR, "50000"), (EUR_USD, "1.1")], {"BTC": "0.5"}, "27500"),  # over the euro
        ("USD", [(BTC_EUR, "50000"), (BTC_USD, "60000")], {"EUR": "100"}, "120"),  # over bitcoin
        ("USDC", [(BTC_USD, "60000")], {"BTC": "0.5", "USD": "5"}, "30005"),
    ],
)
def test_fiat_and_coins_are_valued_by_a_pair_in_either_direction_or_over_one_hop(
    currency: str, prices: list[tuple[Symbol, str]], holdings: dict[str, str], worth: str
) -> None:
    amounts = {asset: Decimal(amount) for asset, amount in holdings.items()}
    found = value(Money(Decimal(0), currency), amounts, {symbol: _price(symbol, text) for symbol, text in prices})
    assert found.equity == Money(Decimal(worth), currency)


def test_a_route_names_the_pairs_that_must_be_asked_for() -> None:
    listed = {BTC_USD, BTC_EUR, USD_CAD, Symbol("ADA", "EUR"), Symbol("XYZ", "JPY")}
    assert route("BTC", "USD", listed) == (BTC_USD,)
    assert route("CAD", "USD", listed) == (USD_CAD,)
    assert route("BTC", "USDC", listed) == (BTC_USD,)
    assert route("EUR", "USD", listed) == (BTC_EUR, BTC_USD)
    assert route("ADA", "USD", listed) == ()  # two hops are none
    assert route("XYZ", "USD", listed) == ()


@pytest.mark.parametrize(("amount", "known"), [("0.000009", True), ("0.00001", False)])
def test_a_crumb_of_anything_is_dust(amount: str, known: bool) -> None:
    assert value(usd(1), {"XYZ": Decimal(amount)}, {}).whole is known


@pytest.mark.parametrize(("amount", "known"), [("0.49", True), ("0.5", False)])
def test_less_than_the_smallest_order_of_any_pair_is_dust(amount: str, known: bool) -> None:
    minimums = smallest_orders(
        [(Symbol("SOL", "USD"), Decimal(2)), (Symbol("SOL", "EUR"), Decimal("0.5")), (BTC_USD, Decimal(1))], {"SOL"}
    )
    assert minimums == {"SOL": Decimal("0.5")}
    assert value(usd(1), {"SOL": Decimal(amount)}, {}, minimums=minimums).whole is known


def test_dust_with_a_price_counts_and_ignored_assets_do_not() -> None:
    found = value(
        usd(1), {"BTC": Decimal("0.000001"), "XYZ": Decimal(9000)}, {BTC_USD: btc_price(60000)}, ignored=["XYZ"]
    )
    assert found.equity == usd("1.06")
    assert found.equity == usd(1) + btc("0.000001") * btc_price(60000)
