"""A client order id names one order for ever: what is sent with it again returns that order and creates nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import GTC, MARKET, body, cancel, create, listed, order


def created(bench: Bench) -> int:
    return len(bench.exchange.journal.orders)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(MARKET, {"base_size": "0.1"}), (GTC, {"base_size": "0.1", "limit_price": "59000"}),
     ("sor_limit_ioc", {"base_size": "0.1", "limit_price": "50000"})],
)  # fmt: skip
def test_the_same_request_returns_the_same_answer(
    bench: Bench, alice: Client, kind: str, fields: dict[str, Any]
) -> None:
    sent = body(kind, client_id="once", **fields)
    first = alice.post("orders", sent)
    bench.clock.advance(90 * 86_400)
    assert [alice.post("orders", sent) for _ in range(3)] == [first] * 3
    assert created(bench) == 1
    assert listed(alice) == [first["success_response"]["order_id"]]
    assert [row["verdict"] for row in bench.journal() if row["method"] == "CreateOrder"] == ["ok"] * 4
    assert {row.get("client_order_id") for row in bench.journal() if row["method"] == "CreateOrder"} == {"once"}


def test_a_cancelled_order_keeps_its_id(bench: Bench, alice: Client) -> None:
    order_id = create(alice, GTC, base_size="0.1", limit_price="59000", client_id="once")
    cancel(alice, order_id)
    assert create(alice, GTC, base_size="0.1", limit_price="59000", client_id="once") == order_id
    assert (order(alice, order_id)["status"], created(bench)) == ("CANCELLED", 1)


@pytest.mark.parametrize(
    "more",
    [
        {"side": "SELL"},
        {"product_id": "ETH-USD"},
        {"product_id": "NO-USD"},
        {"order_configuration": {MARKET: {"base_size": "50"}}},
        {"order_configuration": {MARKET: {"base_size": "junk"}}},
        {"order_configuration": None},
        {"order_configuration": {"twap_limit_gtd": {}}},
    ],
)
def test_the_id_is_looked_up_before_anything_else_of_the_order(
    bench: Bench, alice: Client, more: dict[str, Any]
) -> None:
    sent = body(MARKET, base_size="0.1", client_id="once")
    first = alice.post("orders", sent)
    assert alice.post("orders", sent | more) == first
    assert created(bench) == 1


def test_it_is_looked_up_before_funds_and_flags(bench: Bench) -> None:
    client = bench.client("spent", balances={"USD": "6100"})
    sent = body(MARKET, base_size="0.1", client_id="once")
    first = client.post("orders", sent)
    bench.arm("pair_halted", symbol="BTC/USD")
    assert client.post("orders", sent) == first
    assert client.post("orders", body(MARKET, base_size="0.1"))["success"] is False


def test_a_refused_id_stays_free(bench: Bench, alice: Client) -> None:
    assert alice.post("orders", body(MARKET, base_size="9", client_id="again"))["success"] is False
    assert alice.call("POST", "orders", body(MARKET, base_size="x", client_id="again")).status == 400
    assert created(bench) == 0
    order_id = create(alice, MARKET, base_size="0.1", client_id="again")
    assert order(alice, order_id)["client_order_id"] == "again"


def test_an_id_is_the_portfolio_s_own(bench: Bench, alice: Client) -> None:
    bob = bench.client("bob")
    ids = {create(client, MARKET, base_size="0.1", client_id="same") for client in (alice, bob)}
    assert len(ids) == created(bench) == 2
    again = bench.client("alice")
    assert create(again, MARKET, base_size="0.1", client_id="same") in ids, "another key of the same portfolio"
    assert created(bench) == 2


def test_a_replay_finds_an_order_that_no_list_shows_yet(bench: Bench, alice: Client) -> None:
    bench.arm("order_invisible_for_3s", count=1)
    order_id = create(alice, MARKET, base_size="0.1", client_id="once")
    assert listed(alice) == []
    assert create(alice, MARKET, base_size="0.1", client_id="once") == order_id


def test_a_replay_can_be_called_a_duplicate(bench: Bench, alice: Client) -> None:
    sent = body(MARKET, base_size="0.1", client_id="once")
    bench.arm("replay_says_duplicate", count=1)
    first = alice.post("orders", sent)
    assert first["success"], "the fault strikes replays alone"
    answer = alice.post("orders", sent)
    assert (answer["success"], answer["error_response"]["new_order_failure_reason"]) == (
        False,
        "DUPLICATE_CLIENT_ORDER_ID",
    )
    assert alice.post("orders", sent) == first
    assert created(bench) == 1
