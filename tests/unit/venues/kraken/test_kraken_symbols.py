"""One asset, one name; one pair, one symbol; a letter is never cut off by rule."""

from __future__ import annotations

import pytest

from shared.domain.values.symbol import Symbol
from shared.venues.kraken import parse
from shared.venues.kraken.symbols import AssetNames, is_tradable
from tests.unit.venues.kraken_stub import ASSETS, PAIRS


@pytest.mark.parametrize(
    ("venue", "plain"),
    [
        ("XXBT", "BTC"), ("XBT", "BTC"), ("XXDG", "DOGE"), ("XDG", "DOGE"), ("XETH", "ETH"), ("ZUSD", "USD"), ("ZEUR", "EUR"),
        ("XXRP", "XRP"), ("XRP", "XRP"), ("XTZ", "XTZ"), ("XXLM", "XLM"), ("XLM", "XLM"), ("XAUT", "XAUT"), ("ZRX", "ZRX"),
        ("ZEC", "ZEC"), ("XZEC", "ZEC"), ("SOL", "SOL"), ("USDT", "USDT"), ("USDT.F", "USDT.F"), ("XBT.M", "BTC.M"),
        ("XXBT.F", "BTC.F"), ("ETH2.S", "ETH2.S"), ("USD.HOLD", "USD.HOLD"),
    ],
)  # fmt: skip
def test_assets_have_plain_names(venue: str, plain: str) -> None:
    assert AssetNames().plain(venue) == plain


@pytest.mark.parametrize(
    ("venue", "coin"),
    [
        ("XXBT", "BTC"), ("XBT.F", "BTC"), ("XBT.M", "BTC"), ("ETH2.S", "ETH"), ("ETH2", "ETH"), ("ETH.F", "ETH"),
        ("SOL.F", "SOL"), ("SOL03.S", "SOL"), ("DOT28.S", "DOT"), ("USD.F", "USD"), ("USD.M", "USD"), ("USD.B", "USD"),
        ("USD.HOLD", "USD"), ("ZEUR", "EUR"), ("EUR.M", "EUR"), ("C98", "C98"), ("1INCH", "1INCH"), ("XYZ.QQ", "XYZ.QQ"),
    ],
)  # fmt: skip
def test_a_staked_balance_is_worth_as_much_as_its_coin(venue: str, coin: str) -> None:
    assert AssetNames().coin(venue) == coin
    assert AssetNames({"C98": "C98"}).coin("C98.S") == "C98"


def test_the_venue_s_own_list_goes_before_the_table() -> None:
    names = AssetNames({"XNEW": "NEW", "XXBT": "XBT"})
    assert (names.plain("XNEW"), names.plain("XXBT"), names.plain("ZUSD")) == ("NEW", "BTC", "USD")


@pytest.mark.parametrize(
    ("name", "tradable"), [("BTC", True), ("USDT.F", False), ("BTC.M", False), ("USD.HOLD", False), ("ETH2", False)]
)
def test_a_suffix_means_lent_out(name: str, tradable: bool) -> None:
    assert is_tradable(name) is tradable


@pytest.mark.parametrize("spelling", ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD"])
def test_every_spelling_of_a_pair_is_the_same_symbol(spelling: str) -> None:
    book = parse.pair_book(parse.asset_names(ASSETS), PAIRS, as_of=1)
    assert book.symbol(spelling) == Symbol("BTC", "USD")
    assert book.pair_name(Symbol("BTC", "USD")) == "XBTUSD"
    assert book.pair_name(Symbol("ABC", "USD")) is None
    assert book.symbol("ABCUSD") is None
