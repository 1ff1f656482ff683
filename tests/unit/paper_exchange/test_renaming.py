"""An asset that is renamed while the market runs: strict as a venue is about it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.paper_exchange.core.renaming import rename
from services.paper_exchange.kraken.pairs import list_pair
from tests.unit.paper_exchange.venue import Client, Venue


@pytest.fixture
def dora(venue: Venue) -> Client:
    """Somebody with 100 DOT of whom a sale is open."""
    client = venue.client("dora", balances={"USD": "1000", "DOT": "100"})
    venue.price("6", "DOT/USD")
    client.ok("AddOrder", pair="DOTUSD", type="sell", ordertype="limit", price="9", volume="40")
    return client


def renamed(venue: Venue, new: str = "NDOT", ratio: str = "10") -> list[str]:
    return rename(venue.exchange, "DOT", new, Decimal(ratio), list_pair)


def test_balances_stand_under_the_new_name_and_open_orders_are_cancelled(venue: Venue, dora: Client) -> None:
    assert renamed(venue) == ["NDOT/USD", "NDOT/EUR"]
    assert dora.ok("BalanceEx") == {
        "ZUSD": {"balance": "1000.0000", "hold_trade": "0.0000"},
        "NDOT": {"balance": "1000.00000000", "hold_trade": "0.00000000"},
    }
    (order,) = dora.ok("ClosedOrders")["closed"].values()
    assert (order["status"], order["descr"]["pair"]) == ("canceled", "DOTUSD")
    assert dora.ok("OpenOrders")["open"] == {}


def test_the_old_pairs_and_the_old_asset_are_not_listed_any_more(venue: Venue, dora: Client) -> None:
    renamed(venue)
    pairs, assets = venue.public("AssetPairs")["result"], venue.public("Assets")["result"]
    assert ("DOTUSD" in pairs, "NDOTUSD" in pairs, "NDOTEUR" in pairs) == (False, True, True)
    assert pairs["NDOTUSD"]["base"] == "NDOT"
    assert ("DOT" in assets, assets["NDOT"]["altname"]) == (False, "NDOT")
    for name in ("DOTUSD", "DOT/USD"):
        assert venue.public("Ticker", pair=name)["error"] == ["EQuery:Unknown asset pair"]
        refused = dora.error("AddOrder", pair=name, type="sell", ordertype="market", volume="10")
        assert refused == "EQuery:Unknown asset pair"
        assert dora.error("TradeVolume", pair=name) == "EQuery:Unknown asset pair"


def test_it_is_traded_on_at_the_price_of_the_new_unit(venue: Venue, dora: Client) -> None:
    renamed(venue)
    assert venue.public("Ticker", pair="NDOTUSD")["result"]["NDOTUSD"]["c"][0] == "0.60000"
    dora.ok("AddOrder", pair="NDOTUSD", type="sell", ordertype="market", volume="1000")
    assert dora.balance("NDOT") == 0
    assert dora.balance("ZUSD") > 1590


def test_another_exchange_of_the_same_process_knows_nothing_of_it(venue: Venue, dora: Client) -> None:
    del dora
    renamed(venue)
    other = Venue()
    assert "NDOT" not in other.public("Assets")["result"]
    assert "NDOTUSD" not in other.public("AssetPairs")["result"]
    assert "DOTUSD" in other.public("AssetPairs")["result"]
    assert other.client("eve").error("AddOrder", pair="NDOTUSD", type="buy", ordertype="market", volume="50") == (
        "EQuery:Unknown asset pair"
    )


@pytest.mark.parametrize(("old", "new"), [("NOPE", "NDOT"), ("DOT", "BTC"), ("DOT", "USD"), ("DOT", "DOT")])
def test_a_name_that_is_taken_or_unknown_is_refused(venue: Venue, old: str, new: str) -> None:
    with pytest.raises(ValueError, match=r"(is not traded here|is taken)"):
        rename(venue.exchange, old, new, Decimal(1), list_pair)
    renamed(venue)
    with pytest.raises(ValueError, match="is taken"):
        rename(venue.exchange, "NDOT", "DOT", Decimal(1), list_pair)
