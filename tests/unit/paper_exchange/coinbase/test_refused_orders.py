"""What is refused and how: HTTP 400 for a wrong form, `success: false` with a reason for all that product or market forbid."""

from __future__ import annotations

from typing import Any

import pytest

from services.paper_exchange.coinbase.texts import rfc3339
from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import GTC, MARKET, body, create, listed, order, refusal

IOC = "sor_limit_ioc"
STOP = "stop_limit_stop_limit_gtc"
UP, DOWN = "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"


def nothing_created(bench: Bench) -> bool:
    return not bench.exchange.journal.orders


@pytest.mark.parametrize(
    ("reason", "kind", "fields"),
    [
        ("INSUFFICIENT_FUND", MARKET, {"base_size": "2"}),
        ("INSUFFICIENT_FUND", MARKET, {"quote_size": "100001"}),
        ("INSUFFICIENT_FUND", GTC, {"base_size": "2", "limit_price": "49500"}),
        ("INSUFFICIENT_FUND", STOP, {"base_size": "2", "limit_price": "62000", "stop_price": "61000", "stop_direction": UP}),
        ("INVALID_SIZE_PRECISION", MARKET, {"base_size": "0.123456789"}),
        ("INVALID_QUOTE_SIZE_PRECISION", MARKET, {"quote_size": "10.001"}),
        ("INVALID_PRICE_PRECISION", GTC, {"base_size": "0.1", "limit_price": "59000.001"}),
        ("INVALID_STOP_PRICE_PRECISION", STOP,
         {"base_size": "0.1", "limit_price": "62000", "stop_price": "61000.001", "stop_direction": UP}),
        ("INVALID_BASE_SIZE_TOO_SMALL", MARKET, {"base_size": "0"}),
        ("INVALID_BASE_SIZE_TOO_LARGE", GTC, {"base_size": "3400.1", "limit_price": "100"}),
        ("INVALID_QUOTE_SIZE_TOO_SMALL", MARKET, {"quote_size": "0.99"}),
        ("INVALID_QUOTE_SIZE_TOO_SMALL", MARKET, {"base_size": "0.00001"}),
        ("INVALID_QUOTE_SIZE_TOO_SMALL", GTC, {"base_size": "0.00001", "limit_price": "59000"}),
        ("INVALID_QUOTE_SIZE_TOO_LARGE", MARKET, {"quote_size": "150000000.01"}),
        ("INVALID_QUOTE_SIZE_TOO_LARGE", MARKET, {"base_size": "3000"}),
        ("INVALID_LIMIT_PRICE_POST_ONLY", GTC, {"base_size": "0.1", "limit_price": "60006", "post_only": True}),
        ("STOP_PRICE_BELOW_LAST_TRADE_PRICE", STOP,
         {"base_size": "0.1", "limit_price": "62000", "stop_price": "59000", "stop_direction": UP}),
        ("STOP_PRICE_ABOVE_LAST_TRADE_PRICE", STOP,
         {"base_size": "0.1", "limit_price": "62000", "stop_price": "61000", "stop_direction": DOWN}),
        ("UNSUPPORTED_ORDER_CONFIGURATION", "market_market_fok", {"base_size": "0.1"}),
        ("UNSUPPORTED_ORDER_CONFIGURATION", "twap_limit_gtd", {"base_size": "0.1"}),
        ("UNSUPPORTED_ORDER_CONFIGURATION", "scaled_limit_gtc", {"base_size": "0.1"}),
    ],
)  # fmt: skip
def test_each_reason(bench: Bench, alice: Client, reason: str, kind: str, fields: dict[str, Any]) -> None:
    assert refusal(alice, kind, **fields) == reason
    assert nothing_created(bench)
    assert alice.wallet("USD") == (100000, 0)
    assert str(bench.journal()[-2]["verdict"]).removeprefix("PREVIEW_") == reason


def test_a_sale_of_more_than_there_is(bench: Bench, alice: Client) -> None:
    create(alice, GTC, "SELL", base_size="1.5", limit_price="61000")
    assert refusal(alice, MARKET, "SELL", base_size="0.50000001") == "INSUFFICIENT_FUND"
    create(alice, MARKET, "SELL", base_size="0.5")
    assert refusal(alice, MARKET, "SELL", quote_size="10") == "INSUFFICIENT_FUND"


def test_the_message_about_funds_is_the_venue_s(alice: Client) -> None:
    answer = alice.post("orders", body(MARKET, base_size="2"))
    response = answer["error_response"]
    assert response["message"] == "Insufficient balance in source account"
    assert response["preview_failure_reason"] == "PREVIEW_INSUFFICIENT_FUND"


def test_a_product_that_is_not_there(alice: Client) -> None:
    assert refusal(alice, MARKET, product="NO-USD", base_size="1") == "INVALID_PRODUCT_ID"
    assert refusal(alice, MARKET, product="BTC/USD", base_size="1") == "INVALID_PRODUCT_ID"


def test_no_wallet_in_the_quote_or_another_portfolio(alice: Client) -> None:
    for more in ({"product_id": "BTC-USDC"}, {"retail_portfolio_id": "11111111-1111-1111-1111-111111111111"}):
        answer = alice.post("orders", body(MARKET, base_size="0.1") | more)
        response = answer["error_response"]
        assert (answer["success"], response["error"]) == (False, "UNKNOWN_FAILURE_REASON")
        assert response["message"] == "account is not available"
        assert response["preview_failure_reason"] == "UNKNOWN_PREVIEW_FAILURE_REASON"
    own = alice.get("key_permissions")["portfolio_uuid"]
    assert alice.post("orders", body(MARKET, base_size="0.1") | {"retail_portfolio_id": own})["success"]


def test_attached_orders_and_leverage_are_refused_rather_than_ignored(bench: Bench, alice: Client) -> None:
    bracket = {"trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "50000"}}
    for more, reason in (
        ({"attached_order_configuration": bracket}, "UNSUPPORTED_ORDER_CONFIGURATION"),
        ({"leverage": "2.0"}, "INVALID_LEVERAGE"),
    ):
        answer = alice.post("orders", body(MARKET, base_size="0.1") | more)
        assert answer["error_response"]["new_order_failure_reason"] == reason
    assert nothing_created(bench)
    assert alice.post("orders", body(MARKET, base_size="0.1") | {"leverage": "1.0", "margin_type": "CROSS"})["success"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_order_id": ""}, {"client_order_id": None}, {"client_order_id": 7}, {"client_order_id": "x" * 129},
        {"product_id": ""}, {"product_id": None}, {"side": "buy"}, {"side": []}, {"side": None},
        {"order_configuration": None}, {"order_configuration": {}}, {"order_configuration": []},
        {"order_configuration": {"limit_limit_ioc": {"base_size": "1", "limit_price": "1"}}},
        {"order_configuration": {MARKET: {"base_size": "0.1"}, GTC: {"base_size": "0.1", "limit_price": "1"}}},
        {"order_configuration": {MARKET: []}}, {"order_configuration": {MARKET: {}}},
        {"order_configuration": {MARKET: {"base_size": "0.1", "quote_size": "10"}}},
        {"order_configuration": {MARKET: {"base_size": 0.1}}}, {"order_configuration": {MARKET: {"base_size": "1e-1"}}},
        {"order_configuration": {MARKET: {"base_size": "-1"}}}, {"order_configuration": {MARKET: {"base_size": "NaN"}}},
        {"order_configuration": {GTC: {"base_size": "0.1"}}}, {"order_configuration": {GTC: {"limit_price": "1"}}},
        {"order_configuration": {GTC: {"quote_size": "10", "limit_price": "59000"}}},
        {"order_configuration": {GTC: {"base_size": "0.1", "limit_price": "0"}}},
        {"order_configuration": {GTC: {"base_size": "0.1", "limit_price": "59000", "post_only": "true"}}},
        {"order_configuration": {"limit_limit_gtd": {"base_size": "0.1", "limit_price": "59000", "end_time": "soon"}}},
        {"order_configuration": {STOP: {"base_size": "0.1", "limit_price": "62000", "stop_price": "61000"}}},
        {"order_configuration": {STOP: {"base_size": "0.1", "limit_price": "62000", "stop_direction": UP}}},
        {"order_configuration": {"trigger_bracket_gtc": {"base_size": "0.1", "limit_price": "62000"}}},
    ],
)  # fmt: skip
def test_a_wrong_form_is_a_400(bench: Bench, alice: Client, wrong: dict[str, Any]) -> None:
    answer = alice.call("POST", "orders", body(MARKET, base_size="0.1") | wrong)
    assert (answer.status, answer.json["error"]) == (400, "INVALID_ARGUMENT")
    assert nothing_created(bench)


def test_a_client_order_id_may_have_128_characters(alice: Client) -> None:
    assert order(alice, create(alice, MARKET, base_size="0.1", client_id="y" * 128))["client_order_id"] == "y" * 128


def test_an_end_in_the_past_or_none(bench: Bench, alice: Client) -> None:
    assert refusal(alice, "limit_limit_gtd", base_size="0.1", limit_price="59000") == "GTD_ORDERS_MUST_HAVE_END_TIME"
    past = rfc3339(bench.clock.now() - 1)
    assert (
        refusal(alice, "limit_limit_gtd", base_size="0.1", limit_price="59000", end_time=past)
        == "END_TIME_IS_IN_THE_PAST"
    )


@pytest.mark.parametrize(
    ("fault", "refused", "allowed"),
    [
        ("product_limit_only", {"market": "NOT_ALLOWED_BY_MARKET_STATE"}, {"limit", "post"}),
        ("product_auction_mode", {"market": "NOT_ALLOWED_BY_MARKET_STATE"}, {"limit", "post"}),
        ("product_post_only", dict.fromkeys(("market", "limit"), "NOT_ALLOWED_BY_MARKET_STATE"), {"post"}),
        ("post_only_mode", dict.fromkeys(("market", "limit"), "NOT_ALLOWED_BY_MARKET_STATE"), {"post"}),
        ("product_cancel_only", dict.fromkeys(("market", "limit", "post"), "ORDER_ENTRY_DISABLED"), set()),
        ("cancel_only_mode", dict.fromkeys(("market", "limit", "post"), "ORDER_ENTRY_DISABLED"), set()),
        ("product_trading_disabled", dict.fromkeys(("market", "limit", "post"), "TRADING_DISABLED"), set()),
        ("pair_halted", dict.fromkeys(("market", "limit", "post"), "TRADING_DISABLED"), set()),
        ("product_disabled", dict.fromkeys(("market", "limit", "post"), "UNTRADABLE_PRODUCT"), set()),
        ("product_view_only", dict.fromkeys(("market", "limit", "post"), "UNTRADABLE_PRODUCT"), set()),
        ("product_offline", dict.fromkeys(("market", "limit", "post"), "UNTRADABLE_PRODUCT"), set()),
    ],
)  # fmt: skip
def test_the_flags_of_a_product(
    bench: Bench, alice: Client, fault: str, refused: dict[str, str], allowed: set[str]
) -> None:
    resting = create(alice, GTC, base_size="0.1", limit_price="50000")
    bench.arm(fault, symbol="" if fault.endswith("_mode") else "BTC/USD")
    orders: dict[str, tuple[str, dict[str, Any]]] = {
        "market": (MARKET, {"base_size": "0.01"}),
        "limit": (GTC, {"base_size": "0.01", "limit_price": "50000"}),
        "post": (GTC, {"base_size": "0.01", "limit_price": "50000", "post_only": True}),
    }
    for name, reason in refused.items():
        kind, fields = orders[name]
        assert refusal(alice, kind, **fields) == reason
    for name in allowed:
        kind, fields = orders[name]
        create(alice, kind, **fields)
    assert alice.post("orders/batch_cancel", {"order_ids": [resting]})["results"][0]["success"], "cancels always go"
    (switch,) = [each for each in bench.exchange.faults if each.fault == fault]
    assert switch.fired == len(refused)


def test_a_raised_minimum_and_coarser_steps(bench: Bench, alice: Client) -> None:
    bench.arm("precision_change", symbol="BTC/USD")
    assert refusal(alice, MARKET, base_size="0.123456") == "INVALID_SIZE_PRECISION"
    assert refusal(alice, GTC, base_size="0.1", limit_price="59000.01") == "INVALID_PRICE_PRECISION"
    create(alice, GTC, base_size="0.12345", limit_price="59000.1")
    bench.exchange.faults.clear()
    bench.arm("ordermin_raised_mid_run", symbol="DOGE/USD")
    client = bench.client("doge", balances={"USD": "1000"})
    assert refusal(client, MARKET, product="DOGE-USD", base_size="9.9") == "INVALID_BASE_SIZE_TOO_SMALL"
    assert refusal(client, MARKET, product="DOGE-USD", base_size="10") == "INVALID_QUOTE_SIZE_TOO_SMALL", "worth 1.20"
    shown = client.get("products/DOGE-USD")
    assert (shown["base_min_size"], shown["quote_min_size"]) == ("10", "100")
    create(client, MARKET, product="DOGE-USD", base_size="900")


def test_a_view_only_key_may_neither_trade_nor_preview(bench: Bench) -> None:
    viewer = bench.client("viewer", permissions=["query-funds", "query-open-orders"])
    for path, sent in (
        ("orders", body(MARKET, base_size="0.1")), ("orders/preview", body(MARKET, base_size="0.1")),
        ("orders/batch_cancel", {"order_ids": ["x"]}), ("orders/edit", {"order_id": "x", "size": "1", "price": "1"}),
    ):  # fmt: skip
        assert viewer.call("POST", path, sent).status == 403
    assert nothing_created(bench)
    assert listed(viewer) == []
