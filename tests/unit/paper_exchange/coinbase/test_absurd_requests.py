"""Whatever is sent, the paper Coinbase answers in its own words and never falls over."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import given, settings, strategies as st

from services.paper_exchange.coinbase.gate import Request
from services.paper_exchange.coinbase.methods import HANDLERS, PUBLIC_HANDLERS
from services.paper_exchange.coinbase.routes import ROUTES, Scope
from tests.support.property_examples import scaled
from tests.unit.paper_exchange.coinbase.bench import HOST, PREFIX, Answer, Bench, Client, answer_of

SERVED = [route for route in ROUTES if route.name in HANDLERS or route.name in PUBLIC_HANDLERS]
NAMES = st.sampled_from([
    "limit", "cursor", "offset", "product_id", "product_ids", "product_type", "start", "end", "granularity", "portfolio_type",
    "retail_portfolio_id", "starting_after", "from_account", "to_account", "amount", "order_id", "order_ids", "client_order_id",
    "side", "order_configuration", "order_status", "start_date", "end_date", "sort_by", "size", "price", "market_market_ioc",
    "limit_limit_gtc", "base_size", "quote_size", "limit_price", "start_sequence_timestamp", "trade_ids", "post_only",
])  # fmt: skip
WORDS = [
    "BTC-USD", "BTC-USDC", "NO-USD", "USD", "USDC", "0", "-1", "1", "250", "1e400", "NaN", "Infinity", "0.000000001", "True",
    "ONE_MINUTE", "ONE_DAY", "SPOT", "DEFAULT", "1699999999", "1700000000", "9" * 400, "2023-11-14T22:13:20Z", "BUY", "SELL",
    "0001-01-01T00:00:00Z", "OPEN", "LIMIT_PRICE", "AAAA", "\x00",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=8,
)


@cache
def fresh() -> tuple[Bench, Client]:
    """Make one exchange for all examples: it must stand them one after the other as well."""
    bench = Bench(market={"pairs": ["BTC/USD"]}, limits={"coinbase": False})
    return bench, bench.client("alice", balances={"USD": "1e15", "BTC": "1e15"})


def well_formed(answer: Answer) -> bool:
    if answer.status == 401:
        return answer.body.strip() == b"Unauthorized"
    return answer.status in {200, 400, 403, 404} and isinstance(answer.json, dict)


@settings(max_examples=scaled(300))
@given(
    st.sampled_from(SERVED), st.dictionaries(NAMES, st.lists(TEXTS, max_size=2), max_size=5), TEXTS,
    st.one_of(JSON.map(lambda value: json.dumps(value).encode()), st.binary(max_size=40)),
)  # fmt: skip
def test_any_query_variable_and_body(route: Any, query: dict[str, list[str]], variable: str, body: bytes) -> None:
    bench, alice = fresh()
    pattern = route.pattern
    if "{" in pattern:
        head, _, rest = pattern.partition("{")
        pattern = head + variable + rest.partition("}")[2]
    request = alice.request(route.verb, pattern, body, **query)
    if pattern.startswith("/"):
        request.path = pattern
        request.authorization = "Bearer " + alice.sign(alice.claims(route.verb, pattern))
    answer = answer_of(bench.front.answer(request))
    assert well_formed(answer), answer
    assert answer.status != 401 or route.scope is Scope.PUBLIC


@settings(max_examples=scaled(300))
@given(st.text(max_size=60), st.text(max_size=30), st.sampled_from(["GET", "POST", "PUT", ""]))
def test_any_token_and_path(token: str, path: str, verb: str) -> None:
    bench, alice = fresh()
    for authorization in (token, "Bearer " + token, f"Bearer {token}.{token}.{token}"):
        for where in (path, PREFIX + path, PREFIX + "accounts"):
            request = Request(verb, where, b"", authorization, b"{}", HOST)
            assert answer_of(bench.front.answer(request)).status in {401, 404}
    assert alice.get("accounts")["size"] >= 2


@settings(max_examples=scaled(200))
@given(
    st.dictionaries(st.sampled_from(["sub", "iss", "nbf", "exp", "uri", "uris", "aud", "iat", "x"]), JSON, max_size=9)
)
def test_any_claims_signed_by_the_right_key(claims: dict[str, Any]) -> None:
    bench, alice = fresh()
    text = json.loads(json.dumps({**alice.claims("GET", PREFIX + "accounts"), **claims}), parse_constant=str)
    request = alice.request("GET", "accounts")
    request.authorization = "Bearer " + alice.sign_raw(text)
    assert answer_of(bench.front.answer(request)).status in {200, 401}
