"""The order of the checks, the shapes of refusals, the limits, the journal."""

from __future__ import annotations

from typing import Any

import pytest

from services.paper_exchange.coinbase.gate import Request
from services.paper_exchange.coinbase.methods import HANDLERS, PUBLIC_HANDLERS
from services.paper_exchange.coinbase.routes import ROUTES, Scope, find_route
from tests.unit.paper_exchange.coinbase.bench import HOST, PREFIX, VIEW_ONLY, Bench, Client, answer_of

QUOTE = {"from_account": "USD", "to_account": "USDC", "amount": "1"}


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", PREFIX + "nothing"), ("DELETE", PREFIX + "accounts"), ("GET", PREFIX), ("GET", "/api/v3/"), ("GET", "/v2/user"),
        ("GET", PREFIX + "accounts/1/2"), ("POST", PREFIX + "time"), ("GET", "/api/v3/brokerage"), ("GET", "/api/accounts"),
    ],
)  # fmt: skip
def test_an_unknown_path_is_404_before_the_token_is_looked_at(bench: Bench, verb: str, path: str) -> None:
    answer = answer_of(bench.front.answer(Request(verb, path, authorization="Bearer nonsense")))
    assert answer.status == 404
    assert answer.json["error"] == "NOT_FOUND"
    assert {"error_details", "message"} <= answer.json.keys()
    assert bench.journal() == []


def test_the_token_comes_before_the_limit_and_the_limit_before_the_scope() -> None:
    bench = Bench()
    reader = bench.client("reader", permissions=VIEW_ONLY, tier="pro")
    for _ in range(30):
        assert reader.call("POST", "convert/quote", b"no json").status == 403
    assert reader.call("POST", "convert/quote", b"no json").status == 429
    stolen = reader.request("POST", "convert/quote", b"no json")
    stolen.authorization += "x"
    assert answer_of(bench.front.answer(stolen)).status == 401
    bench.clock.advance(1)
    assert reader.call("POST", "convert/quote", b"no json").status == 403


def test_the_scope_comes_before_the_form_and_the_form_before_the_business(bench: Bench, alice: Client) -> None:
    reader = bench.client("alice", permissions=VIEW_ONLY)
    assert reader.call("POST", "convert/quote", {}).json == {
        "error": "PERMISSION_DENIED",
        "error_details": "Missing required scopes",
        "message": "Missing required scopes",
    }
    for body in (b"no json", b"[]", b"5", b"\xff", b'{"amount": NaN}', b"[" * 5000):
        answer = alice.call("POST", "convert/quote", body)
        assert (answer.status, answer.json["error"]) == (400, "INVALID_ARGUMENT")
    assert alice.call("POST", "convert/quote", QUOTE).status == 200


def test_each_route_is_served_or_belongs_to_the_order_handlers() -> None:
    served = HANDLERS.keys() | PUBLIC_HANDLERS.keys()
    assert served <= {route.name for route in ROUTES}
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    for route in ROUTES:
        path = route.pattern if route.pattern.startswith("/") else PREFIX + route.pattern
        found = find_route(route.verb, path.replace("{", "x").replace("}", ""))
        assert found is not None
        assert found[0] is route
        assert (route.name in PUBLIC_HANDLERS) == (route.scope is Scope.PUBLIC)


def test_a_fixed_path_wins_over_a_variable_one() -> None:
    names = {path: find_route("GET", PREFIX + "orders/historical/" + path) for path in ("batch", "fills", "some-id")}
    assert [found[0].name for found in names.values() if found] == ["ListOrders", "ListFills", "GetOrder"]
    found = find_route("GET", PREFIX + "products/BTC-USD/candles")
    assert found is not None
    assert found[1] == {"product_id": "BTC-USD"}


def test_thirty_private_requests_a_second_per_key(bench: Bench) -> None:
    first, second = (bench.client("pro", tier="pro") for _ in range(2))
    answers = [first.call("GET", "accounts") for _ in range(31)]
    assert [answer.status for answer in answers] == [200] * 30 + [429]
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    assert [answers[0].headers[name] for name in names] == ["30", "29", "1"]
    assert [answers[30].headers[name] for name in names] == ["30", "0", "1"]
    assert answers[30].json == {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
    assert second.call("GET", "accounts").status == 200
    bench.clock.advance(1)
    assert first.call("GET", "accounts").status == 200


def test_ten_public_requests_a_second_per_address(bench: Bench) -> None:
    answers = [bench.public("time", address="1.1.1.1") for _ in range(11)]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert (answers[0].headers["x-ratelimit-limit"], answers[10].headers["x-ratelimit-remaining"]) == ("10", "0")
    assert bench.public("time", address="2.2.2.2").status == 200


def test_limits_can_be_switched_off_by_file_and_by_tier() -> None:
    bench = Bench(limits={"coinbase": False})
    pro = bench.client("pro", tier="pro")
    assert [pro.call("GET", "accounts").status for _ in range(40)] == [200] * 40
    assert "x-ratelimit-limit" not in bench.public("time").headers
    unlimited = Bench().client("load", tier="unlimited")
    assert [unlimited.call("GET", "accounts").status for _ in range(40)] == [200] * 40


def test_a_public_call_needs_no_token_but_a_wrong_one_is_refused(bench: Bench, alice: Client) -> None:
    assert bench.public("time").status == 200
    assert bench.public("time", token="nonsense").status == 401
    good = alice.sign(alice.claims("GET", PREFIX + "time"))
    assert bench.public("time", token=good).status == 200


def test_the_clock_is_told_in_texts(bench: Bench) -> None:
    assert bench.public("time").json == {
        "iso": "2023-11-14T22:13:20Z",
        "epochSeconds": "1700000000",
        "epochMillis": "1700000000000",
    }
    assert bench.public("/v2/time").json == {"data": {"iso": "2023-11-14T22:13:20Z", "epoch": 1700000000}}


def test_the_body_of_a_get_is_not_read(alice: Client) -> None:
    request = alice.request("GET", "accounts", b"anything at all")
    assert answer_of(alice.bench.front.answer(request)).status == 200


def test_the_path_is_checked_as_it_was_sent(bench: Bench, alice: Client) -> None:
    request = alice.request("GET", "products/BTC-USD")
    request.raw_path = PREFIX + "products/BTC%2DUSD"
    assert answer_of(bench.front.answer(request)).status == 401
    token = alice.sign({**alice.claims("GET", ""), "uri": f"GET {HOST}{request.raw_path}"})
    request.authorization = f"Bearer {token}"
    assert answer_of(bench.front.answer(request)).json["product_id"] == "BTC-USD"


def test_the_journal_shows_every_private_request_with_its_verdict(bench: Bench, alice: Client) -> None:
    reader = bench.client("reader", permissions=VIEW_ONLY)
    alice.get("accounts")
    alice.call("GET", "accounts", limit="x")
    reader.call("POST", "convert/quote", {})
    stolen = alice.request("GET", "accounts")
    stolen.authorization += "x"
    bench.front.answer(stolen)
    bench.front.answer(Request("GET", PREFIX + "accounts"))
    bench.public("time")
    rows = [(row["api_key"], row["user"], row["method"], row["nonce"], row["verdict"]) for row in bench.journal()]
    assert rows == [
        (alice.name, "alice", "ListAccounts", "", "ok"),
        (alice.name, "alice", "ListAccounts", "", "400 INVALID_ARGUMENT"),
        (reader.name, "reader", "CreateConvertQuote", "", "403 PERMISSION_DENIED"),
        (alice.name, "alice", "ListAccounts", "", "401 Unauthorized"),
        ("", "", "ListAccounts", "", "401 Unauthorized"),
    ]


def test_the_journal_tells_why_a_token_is_refused(bench: Bench, alice: Client) -> None:
    alice.call("GET", "accounts")
    late = alice.request("GET", "accounts")
    bench.clock.advance(120)
    bench.front.answer(late)
    bench.front.answer(Request("GET", PREFIX + "accounts"))
    assert [row.get("why") for row in bench.journal()] == [None, "expired", "no bearer token"]


def test_the_journal_tells_the_client_order_id_of_a_request(bench: Bench, alice: Client) -> None:
    alice.call("POST", "convert/quote", {**QUOTE, "client_order_id": "mine"})
    alice.call("POST", "convert/quote", {**QUOTE, "client_order_id": 5})
    assert [row.get("client_order_id") for row in bench.journal()] == ["mine", None]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("accounts", {"limit": "251"}),
        ("accounts", {"limit": "-1"}),
        ("accounts", {"cursor": "!"}),
        ("products", {"limit": "1.5"}),
    ],
)
def test_a_query_of_the_wrong_form_is_400(alice: Client, path: str, query: dict[str, Any]) -> None:
    answer = alice.call("GET", path, **query)
    assert (answer.status, answer.json["error"]) == (400, "INVALID_ARGUMENT")
