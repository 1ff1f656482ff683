"""Whatever is sent, the venue answers in its own words and never falls over."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import given, settings, strategies as st

from services.paper_exchange.kraken.methods import METHODS
from services.paper_exchange.kraken.public import METHODS as PUBLIC
from services.paper_exchange.wire import Reply
from tests.support.property_examples import scaled
from tests.unit.paper_exchange.venue import Client, Venue

NAMES = st.sampled_from([
    "pair", "type", "ordertype", "volume", "price", "price2", "oflags", "timeinforce", "starttm", "expiretm",
    "deadline", "userref", "cl_ord_id", "validate", "close[ordertype]", "close[price]", "close[price2]", "txid",
    "order_qty", "limit_price", "trigger_price", "display_qty", "displayvol", "timeout", "orders", "asset", "id",
    "start", "end", "ofs", "trades", "since", "interval", "count", "order_id", "stptype", "trigger", "leverage",
    "reduce_only", "info", "cl_ord_ids", "closetime", "post_only",
])  # fmt: skip
WORDS = [
    "XBTUSD", "buy", "sell", "limit", "market", "stop-loss-limit", "trailing-stop", "trailing-stop-limit", "iceberg",
    "0.1", "1", "0", "50000", "+5%", "-99999", "#1", "+", "%", "1e400", "NaN", "inf", "-0", "GTD", "IOC",
    "+9999999999", "viqc", "post", "fcib", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", "[", "[[]]", "[{}]",
    "true", "None", "60", "7", "ZUSD",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from([*WORDS, "9" * 400]),
    st.text(max_size=12),
    st.decimals(allow_nan=False, allow_infinity=False, places=9).map(str),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=6,
)


@cache
def fresh() -> tuple[Venue, Client]:
    """Make one venue for all examples: it must stand them one after the other as well."""
    venue = Venue(market={"pairs": ["BTC/USD"]}, limits={"lockout_failures": 10**6})
    return venue, venue.client("alice", balances={"USD": "1e15", "BTC": "1e15"})


def well_formed(reply: object) -> bool:
    assert isinstance(reply, Reply)
    answer = json.loads(reply.body)
    return ("result" in answer) == (answer["error"] == []) and all(text.startswith("E") for text in answer["error"])


@settings(max_examples=scaled(300))
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(METHODS)), st.dictionaries(NAMES, TEXTS, max_size=9)), min_size=1, max_size=4
    )
)
def test_any_form_gets_a_well_formed_answer(calls: list[tuple[str, dict[str, Any]]]) -> None:
    _, client = fresh()
    for method, parameters in calls:
        assert well_formed(client.raw(method, **parameters))


@settings(max_examples=scaled(200))
@given(st.sampled_from(sorted(METHODS)), st.dictionaries(NAMES, JSON, max_size=6))
def test_any_json_gets_a_well_formed_answer(method: str, parameters: dict[str, Any]) -> None:
    _, client = fresh()
    assert well_formed(client.raw(method, as_json=True, **parameters))


@settings(max_examples=scaled(200))
@given(st.sampled_from(sorted(PUBLIC)), st.dictionaries(NAMES, TEXTS, max_size=4))
def test_any_public_question_gets_a_well_formed_answer(method: str, parameters: dict[str, str]) -> None:
    venue, _ = fresh()
    answer = venue.public(method, **parameters)
    assert ("result" in answer) == (answer["error"] == [])


def test_a_deeply_nested_body_is_just_another_bad_one() -> None:
    _, client = fresh()
    request = client.request("Balance", {}, as_json=True)
    request.body = b"[" * 100_000
    reply = client.front.answer(request)
    assert isinstance(reply, Reply)
    assert reply.body == b'{"error":["EAPI:Invalid signature"]}'
