"""Products, candles, trades and books: Coinbase's own steps over the one price path."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.paper_exchange.app import list_market
from services.paper_exchange.coinbase.products import PRODUCTS
from services.paper_exchange.core.renaming import rename
from tests.unit.paper_exchange.coinbase.bench import Bench, Client

NOW = 1_700_000_000
COUNT = 36  # 18 dollar products, each with its alias


def test_a_product_has_the_recorded_rules(bench: Bench, alice: Client) -> None:
    product = alice.get("products/BTC-USD")
    assert {name: product[name] for name in (
        "price", "base_increment", "quote_increment", "price_increment", "base_min_size", "base_max_size", "quote_min_size",
        "quote_max_size", "status", "alias", "alias_to", "product_type", "product_venue", "base_currency_id", "quote_currency_id",
    )} == {
        "price": "60000", "base_increment": "0.00000001", "quote_increment": "0.01", "price_increment": "0.01",
        "base_min_size": "0.00000001", "base_max_size": "3400", "quote_min_size": "1", "quote_max_size": "150000000",
        "status": "online", "alias": "", "alias_to": ["BTC-USDC"], "product_type": "SPOT", "product_venue": "CBE",
        "base_currency_id": "BTC", "quote_currency_id": "USD",
    }  # fmt: skip
    flags = ("is_disabled", "cancel_only", "limit_only", "post_only", "trading_disabled", "auction_mode", "view_only")
    assert [product[name] for name in flags] == [False] * 7
    assert alice.call("GET", "products/NO-USD").status == 404


def test_the_alias_has_its_own_quote_and_the_same_price(bench: Bench, alice: Client) -> None:
    alias = alice.get("products/BTC-USDC")
    assert (alias["alias"], alias["alias_to"], alias["quote_currency_id"]) == ("BTC-USD", [], "USDC")
    bench.price("61234.5")
    assert alice.get("products/BTC-USDC")["price"] == alice.get("products/BTC-USD")["price"] == "61234.5"
    book = alice.get("product_book", product_id="BTC-USDC")["pricebook"]
    assert book["product_id"] == "BTC-USDC"
    assert book["bids"] == alice.get("product_book", product_id="BTC-USD")["pricebook"]["bids"]


def test_the_list_of_products_can_be_cut_and_filtered(alice: Client) -> None:
    everything = alice.get("products")
    ids = [row["product_id"] for row in everything["products"]]
    assert everything["num_products"] == len(ids) == COUNT
    assert ids == list(PRODUCTS)[:COUNT]
    page = alice.get("products", limit=3, offset=2)
    assert [row["product_id"] for row in page["products"]] == ids[2:5]
    chosen = alice.get("products", product_ids=["ETH-USD", "BTC-USDC"])
    assert {row["product_id"] for row in chosen["products"]} == {"ETH-USD", "BTC-USDC"}
    assert alice.get("products", product_id="ETH-USD")["num_products"] == COUNT, "the singular is ignored"
    assert alice.get("products", product_type="FUTURE") == {"products": [], "num_products": 0}
    assert alice.get("products", get_all_products="True")["num_products"] == COUNT


def test_the_public_twins_say_the_same(bench: Bench, alice: Client) -> None:
    window: dict[str, Any] = {"start": NOW - 3600, "end": NOW, "granularity": "ONE_MINUTE"}
    for path, query in (
        ("products", {}), ("products/BTC-USD", {}), ("products/BTC-USD/candles", window),
        ("products/BTC-USD/ticker", {"limit": 5}), ("product_book", {"product_id": "BTC-USD", "limit": 3}),
    ):  # fmt: skip
        assert bench.public("market/" + path, **query).json == alice.get(path, **query)


def test_only_the_pairs_of_the_market_file_are_listed() -> None:
    bench = Bench(market={"pairs": ["BTC/USD", "DOT/EUR"]})
    client = bench.client("alice")
    assert [row["product_id"] for row in client.get("products")["products"]] == ["BTC-USD", "BTC-USDC"]
    assert client.call("GET", "products/ETH-USD").status == 404
    assert len(client.get("best_bid_ask")["pricebooks"]) == 2


def candles(client: Client, granularity: str, seconds: int, **query: Any) -> list[dict[str, str]]:
    now = int(client.bench.clock.now())
    found: list[dict[str, str]] = client.get(
        "products/BTC-USD/candles", **{"start": now - seconds, "end": now, "granularity": granularity, **query}
    )["candles"]
    return found


@pytest.mark.parametrize(
    ("granularity", "minutes"),
    [
        ("ONE_MINUTE", 1), ("FIVE_MINUTE", 5), ("FIFTEEN_MINUTE", 15), ("THIRTY_MINUTE", 30), ("ONE_HOUR", 60), ("TWO_HOUR", 120),
        ("FOUR_HOUR", 240), ("SIX_HOUR", 360), ("ONE_DAY", 1440),
    ],
)  # fmt: skip
def test_candles_are_texts_newest_first_and_the_first_is_forming(alice: Client, granularity: str, minutes: int) -> None:
    rows = candles(alice, granularity, 60 * minutes * 20)
    assert list(rows[0]) == ["start", "low", "high", "open", "close", "volume"]
    assert all(isinstance(value, str) for row in rows for value in row.values())
    starts = [int(row["start"]) for row in rows]
    step = 60 * minutes
    assert starts == list(range(NOW // step * step, NOW - 20 * step - 1, -step))
    assert starts[0] <= NOW < starts[0] + step
    for row in rows:
        low, high, opened, close = (Decimal(row[name]) for name in ("low", "high", "open", "close"))
        assert low <= min(opened, close) <= max(opened, close) <= high
    assert Decimal(rows[0]["close"]) == 60000


def test_a_window_without_an_end_in_the_present_gives_what_is_in_it(alice: Client) -> None:
    rows = candles(alice, "ONE_HOUR", 0, start=NOW - 7200 - 1600, end=NOW - 3600)
    assert [int(row["start"]) for row in rows] == [1_699_995_600, 1_699_992_000]
    assert candles(alice, "ONE_HOUR", 0, start=NOW + 3600, end=NOW + 7200) == []
    assert len(candles(alice, "ONE_MINUTE", 3600, limit=5)) == 5


def test_more_than_350_candles_are_refused(alice: Client) -> None:
    assert len(candles(alice, "ONE_MINUTE", 350 * 60)) == 350
    window = {"start": NOW - 351 * 60, "end": NOW, "granularity": "ONE_MINUTE"}
    answer = alice.call("GET", "products/BTC-USD/candles", **window)
    assert answer.status == 400
    assert "should be less than 350" in answer.json["error_details"]


@pytest.mark.parametrize(
    "changes",
    [{"granularity": "1m"}, {"granularity": ""}, {"start": ""}, {"end": "soon"}, {"start": NOW + 1}, {"limit": 351}],
)
def test_candles_need_a_window_and_a_granularity(alice: Client, changes: dict[str, Any]) -> None:
    query = {"start": NOW - 600, "end": NOW, "granularity": "ONE_MINUTE", **changes}
    assert alice.call("GET", "products/BTC-USD/candles", **query).status == 400


def test_a_fast_market_gives_its_latest_candles_to_a_client_on_the_wall_clock() -> None:
    bench = Bench(market={"speed": 600})
    client = bench.client("alice")
    bench.clock.advance(60)
    rows = candles(client, "ONE_MINUTE", 600)
    assert int(rows[0]["start"]) == NOW + 600 * 60 - (NOW + 600 * 60) % 60
    assert len(rows) in {10, 11}


def test_prices_have_coinbases_steps_not_krakens() -> None:
    bench = Bench(market={"speed": 60, "pairs": ["XRP/USD"], "start_prices": {"XRP/USD": "0.5"}})
    client = bench.client("alice")
    bench.clock.advance(600)
    window = {"start": NOW, "end": NOW + 600, "granularity": "ONE_MINUTE"}
    rows = client.get("products/XRP-USD/candles", **window)["candles"]
    ticker = client.get("products/XRP-USD/ticker", limit=50)
    book = client.get("product_book", product_id="XRP-USD", limit=20)
    texts = [row[name] for row in rows for name in ("low", "high", "open", "close")]
    texts += [row["price"] for row in ticker["trades"]] + [ticker["best_bid"], ticker["best_ask"], book["last"]]
    texts += [level["price"] for side in ("bids", "asks") for level in book["pricebook"][side]]
    step = Decimal(client.get("products/XRP-USD")["price_increment"])
    assert step == Decimal("0.0001"), "Kraken's is 0.00001"
    assert len(rows) > 5
    assert {Decimal(text) % step for text in texts} == {Decimal(0)}


def test_the_book_and_the_best_prices_agree(alice: Client) -> None:
    book = alice.get("product_book", product_id="BTC-USD", limit=3)
    bids, asks = book["pricebook"]["bids"], book["pricebook"]["asks"]
    assert (len(bids), len(asks)) == (3, 3)
    assert [Decimal(row["price"]) for row in bids] == sorted((Decimal(row["price"]) for row in bids), reverse=True)
    assert (book["last"], book["mid_market"], book["spread_absolute"]) == ("60000", "60000", "12")
    assert book["spread_bps"].startswith("2.0")
    (best,) = alice.get("best_bid_ask", product_ids=["BTC-USD"])["pricebooks"]
    assert (best["bids"], best["asks"]) == (bids[:1], asks[:1])
    assert (bids[0]["price"], asks[0]["price"]) == ("59994", "60006")
    assert len(alice.get("best_bid_ask")["pricebooks"]) == COUNT
    assert alice.call("GET", "best_bid_ask", product_ids="NO-USD").status == 404
    assert alice.call("GET", "product_book").status == 400


def test_trades_are_newest_first_with_the_makers_side(bench: Bench, alice: Client) -> None:
    for price in ("60001", "60002"):
        bench.price(price)
    answer = alice.get("products/BTC-USD/ticker", limit=2)
    assert [row["price"] for row in answer["trades"]] == ["60002", "60001"]
    assert int(answer["trades"][0]["trade_id"]) == int(answer["trades"][1]["trade_id"]) + 1
    taker_buys = [taker for *_, taker in bench.kraken.market.feeds["BTC/USD"].prints][-2:][::-1]
    assert [row["side"] for row in answer["trades"]] == ["SELL" if taker else "BUY" for taker in taker_buys]
    assert alice.call("GET", "products/BTC-USD/ticker", limit=1001).status == 400


def test_the_lists_that_ccxt_loads_name_every_currency(bench: Bench) -> None:
    fiat = bench.public("/v2/currencies").json["data"]
    coins = bench.public("/v2/currencies/crypto").json["data"]
    rates = bench.public("/v2/exchange-rates").json["data"]["rates"]
    assert {row["id"] for row in fiat} == {"USD", "EUR"}
    assert {"BTC", "USDC"} <= {row["code"] for row in coins}
    assert (rates["USD"], rates["USDC"]) == ("1", "1")
    assert abs(Decimal(rates["BTC"]) * 60000 - 1) < Decimal("0.0000001")


def test_a_price_that_is_too_old_to_trade_at_is_seen_in_the_product(bench: Bench, alice: Client) -> None:
    bench.exchange.rules.closed = lambda symbol: symbol == "BTC/USD"
    assert [alice.get("products/" + name)["cancel_only"] for name in ("BTC-USD", "BTC-USDC", "ETH-USD")] == [
        True,
        True,
        False,
    ]
    bench.arm("product_limit_only")
    assert alice.get("products/BTC-USD")["cancel_only"] is True


def test_an_asset_that_is_renamed_has_products_and_wallets_of_the_new_name(bench: Bench) -> None:
    client = bench.client("dora", balances={"USD": "5", "DOT": "10"})
    bench.price("6", "DOT/USD")
    rename(bench.kraken, "DOT", "CDOT", Decimal(10), list_market)
    assert client.wallet("DOT") is None
    assert client.wallet("CDOT") == (100, 0)
    ids = {row["product_id"] for row in client.get("products")["products"]}
    assert ids >= {"CDOT-USD", "CDOT-USDC"}
    assert not ids & {"DOT-USD", "DOT-USDC", "CDOT-EUR"}
    product = client.get("products/CDOT-USDC")
    assert (product["price"], product["alias"]) == ("0.6", "CDOT-USD")
    assert "CDOT-USD" not in {row["product_id"] for row in Bench().client("other").get("products")["products"]}
