"""The protocol of the paper Kraken's WebSocket v2: greeting, heartbeat, ping, acknowledgements, refusals, tokens, limits.

The shapes and texts are those that clients' authors recorded at the live venue (shared/venues/kraken/KRAKEN.md, K30 to K33).
"""

from __future__ import annotations

import json
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from services.paper_exchange.kraken.streams.limits import CONNECTS, MESSAGES, ConnectLimit
from services.paper_exchange.kraken.streams.tokens import Tokens
from services.paper_exchange.kraken.streams.wire import dump
from tests.unit.paper_exchange.streams.stream import Stream, token_of
from tests.unit.paper_exchange.venue import Client, Venue

NOW = "2023-11-14T22:13:20.000000Z"
TIMES = {"time_in": NOW, "time_out": NOW}


def test_the_status_comes_first_and_unasked(venue: Venue, stream: Stream) -> None:
    (status,) = stream.heard()
    (row,) = status.pop("data")
    assert status == {"channel": "status", "type": "update"}
    assert row.pop("connection_id") > 2**53
    assert row == {"api_version": "v2", "system": "online", "version": "2.0.10"}
    (other,) = Stream(venue).heard()
    assert other["data"][0]["connection_id"] > 2**53


def test_a_change_of_the_venues_mode_is_told(venue: Venue, stream: Stream) -> None:
    stream.heard()
    venue.exchange.faults.arm("maintenance_mode")
    stream.second()
    venue.exchange.faults.clear()
    stream.second()
    assert [message["data"][0]["system"] for message in stream.heard()] == ["maintenance", "online"]
    venue.exchange.faults.arm("maintenance_mode")
    assert Stream(venue).heard()[0]["data"][0]["system"] == "maintenance"


def test_a_heartbeat_comes_only_where_nothing_else_is_said(stream: Stream) -> None:
    stream.second()
    stream.second()
    assert stream.heard()[1:] == [{"channel": "heartbeat"}]
    stream.say({"method": "ping"})
    stream.second()
    assert [message.get("channel") for message in stream.heard()] == [None]
    stream.second()
    assert stream.heard() == [{"channel": "heartbeat"}]


def test_a_ping_is_answered_with_its_number(stream: Stream) -> None:
    stream.heard()
    stream.say({"method": "ping", "req_id": 7})
    stream.say({"method": "ping"})
    assert stream.heard() == [{"method": "pong", "req_id": 7, **TIMES}, {"method": "pong", **TIMES}]


def test_the_acknowledgement_of_executions_names_the_tier(venue: Venue, stream: Stream) -> None:
    stream.heard()
    for tier, most in (("starter", 60), ("intermediate", 125), ("pro", 180)):
        client = venue.client(f"of-{tier}", tier=tier)
        other = Stream(venue)
        other.heard()
        other.say({
            "method": "subscribe", "req_id": 1,
            "params": {"channel": "executions", "token": token_of(client), "snap_trades": True},
        })  # fmt: skip
        acknowledged = other.heard()[0]
        assert list(acknowledged) == ["method", "req_id", "result", "success", "time_in", "time_out"]
        assert acknowledged == {
            "method": "subscribe", "req_id": 1, "success": True, **TIMES,
            "result": {
                "channel": "executions", "maxratecount": most, "snap_orders": True, "snap_trades": True,
                "snapshot": True,
                "warnings": [
                    "cancel_reason is deprecated, use reason", "stop_price is deprecated, use triggers.price",
                    "trigger is deprecated use triggers.reference",
                    "triggered_price is deprecated use triggers.last_price",
                ],
            },
        }  # fmt: skip


def test_each_symbol_has_an_acknowledgement_of_its_own(stream: Stream) -> None:
    stream.heard()
    stream.say({
        "method": "subscribe", "req_id": 5,
        "params": {"channel": "ticker", "symbol": ["BTC/USD", "XBT/USD", "ETHUSD", "ETH/USD"]},
    })  # fmt: skip
    heard = stream.heard()
    head: dict[str, Any] = {"method": "subscribe", "req_id": 5}
    asked = {"channel": "ticker", "event_trigger": "trades", "snapshot": True}
    assert [message for message in heard if "method" in message] == [
        {**head, "result": {**asked, "symbol": "BTC/USD"}, "success": True, **TIMES},
        {**head, "error": "Currency pair not supported XBT/USD", "success": False, "symbol": "XBT/USD", **TIMES},
        {
            **head, "error": "Currency pair not in ISO 4217-A3 format ETHUSD", "success": False,
            "symbol": "ETHUSD", **TIMES,
        },
        {**head, "result": {**asked, "symbol": "ETH/USD"}, "success": True, **TIMES},
    ]  # fmt: skip
    assert [message["data"][0]["symbol"] for message in heard if "channel" in message] == ["BTC/USD", "ETH/USD"]


@pytest.mark.parametrize(
    ("params", "ended"),
    [
        (
            {"channel": "ticker", "symbol": ["BTC/USD"]},
            {"channel": "ticker", "event_trigger": "trades", "symbol": "BTC/USD"},
        ),
        (
            {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 5},
            {"channel": "ohlc", "interval": 5, "symbol": "BTC/USD"},
        ),
        ({"channel": "instrument"}, {"channel": "instrument"}),
        ({"channel": "executions"}, {"channel": "executions"}),
        ({"channel": "balances"}, {"channel": "balances"}),
    ],
)
def test_a_subscription_can_be_ended_once(
    stream: Stream, alice: Client, params: dict[str, Any], ended: dict[str, Any]
) -> None:
    token = {"token": token_of(alice)} if params["channel"] in {"executions", "balances"} else {}
    stream.subscribe(None, **params, **token)
    assert stream.live.channels == {params["channel"]}
    answer = stream.ask("unsubscribe", 2, **params, **token)
    assert answer == {"method": "unsubscribe", "req_id": 2, "result": ended, "success": True, **TIMES}
    assert stream.live.channels == set()
    refused = stream.ask("unsubscribe", 3, **params, **token)
    assert (refused["error"], refused["method"]) == ("Subscription Not Found", "subscribe"), "as recorded"
    alice.add("buy", "market", "0.1")
    assert stream.heard() == []


def test_a_second_subscription_to_the_same_is_refused(stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    assert stream.ask("subscribe", channel="executions", token=token_of(alice))["error"] == "Already subscribed"
    stream.subscribe(channel="ohlc", symbol=["BTC/USD"])
    refused = stream.ask("subscribe", channel="ohlc", symbol=["BTC/USD"], interval=60)
    assert (refused["error"], refused["symbol"]) == ("Already subscribed", "BTC/USD")


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("no json", {"error": "Malformed request"}),
        ("[]", {"error": "Malformed request"}),
        ({"method": 5, "req_id": 1}, {"error": "Malformed request"}),
        ("[" * 100_000, {"error": "Malformed request"}),
        (
            {"method": "dance", "req_id": 1},
            {"error": "Unsupported event", "method": "dance", "req_id": 1},
        ),
        (
            {"method": "ping", "params": {}, "req_id": 0},
            {"error": "Unsupported field: 'params' for the given msg type: ping", "method": "ping", "req_id": 0},
        ),
        (
            {"method": "ping", "req_id": "7"},
            {"error": "Req_id field must be an integer", "method": "ping"},
        ),
        ({"method": "subscribe", "req_id": 1}, {"error": "Malformed request", "method": "subscribe", "req_id": 1}),
        (
            {"method": "subscribe", "params": {"channel": "level9"}},
            {"error": "Subscription name invalid", "method": "subscribe"},
        ),
        (
            {"method": "subscribe", "params": {"channel": "executions", "token": "x", "maxratecount": 125}},
            {
                "error": "Unsupported field: 'maxratecount' for the given msg type: subscribe",
                "method": "subscribe",
            },
        ),
        (
            {"method": "subscribe", "params": {"channel": "executions"}},
            {"error": "Token(s) not found", "method": "subscribe"},
        ),
        (
            {"method": "subscribe", "params": {"channel": "balances", "token": "of nobody"}},
            {"error": "ESession:Invalid session", "method": "subscribe"},
        ),
        (
            {"method": "subscribe", "params": {"channel": "ticker", "symbol": "BTC/USD"}},
            {"error": "Symbol field must be an array", "method": "subscribe"},
        ),
        (
            {"method": "subscribe", "params": {"channel": "ticker", "symbol": ["BTC/USD"], "snapshot": 1}},
            {"error": "Snapshot field must be a boolean", "method": "subscribe", "symbol": "BTC/USD"},
        ),
        (
            {"method": "subscribe", "params": {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 7}},
            {"error": "Subscription ohlc interval not supported", "method": "subscribe", "symbol": "BTC/USD"},
        ),
        (
            {"method": "subscribe", "params": {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": "1"}},
            {"error": "Subscription ohlc interval must be an integer", "method": "subscribe", "symbol": "BTC/USD"},
        ),
        (
            {"method": "subscribe", "params": {"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "x"}},
            {"error": "Event_trigger not supported", "method": "subscribe", "symbol": "BTC/USD"},
        ),
    ],
)
def test_a_wrong_message_is_refused_and_leaves_the_connection_open(
    stream: Stream, message: object, answer: dict[str, Any]
) -> None:
    stream.heard()
    stream.say(message)
    assert stream.heard() == [{**answer, "success": False, **TIMES}]
    assert stream.line.end == ""
    stream.say({"method": "ping"})
    assert stream.heard()[0]["method"] == "pong"


def test_a_token_must_be_used_in_time_and_then_lives_with_its_subscription(
    venue: Venue, stream: Stream, alice: Client
) -> None:
    issued = alice.ok("GetWebSocketsToken")
    assert issued["expires"] == 900
    unused, token = token_of(alice), issued["token"]
    venue.clock.advance(899)
    stream.subscribe(channel="executions", token=token)
    venue.clock.advance(10)
    assert stream.ask("subscribe", channel="balances", token=unused)["error"] == "ESession:Invalid session"
    stream.subscribe(channel="balances", token=token)
    stream.ask("unsubscribe", channel="executions", token=token)
    Stream(venue).subscribe(channel="executions", token=token)
    stream.ask("unsubscribe", channel="balances", token=token)


def test_a_token_ends_with_the_last_subscription_that_it_opened(venue: Venue, stream: Stream, alice: Client) -> None:
    token = token_of(alice)
    stream.subscribe(channel="executions", token=token)
    venue.clock.advance(1000)
    stream.connection.end()
    other = Stream(venue)
    other.heard()
    assert other.ask("subscribe", channel="executions", token=token)["error"] == "ESession:Invalid session"


def test_a_token_is_of_its_key_and_needs_rights_of_the_key(venue: Venue, stream: Stream, alice: Client) -> None:
    without = venue.client("without", permissions=["query-open-orders", "query-closed-orders"])
    assert without.error("GetWebSocketsToken") == "EGeneral:Permission denied"
    blind = venue.client("blind", permissions=["websockets", "query-open-orders"])
    stream.heard()
    for channel in ("executions", "balances"):
        refused = stream.ask("subscribe", channel=channel, token=token_of(blind))
        assert refused["error"] == "EGeneral:Permission denied"
    stream.subscribe(alice, channel="executions")
    assert (stream.live.user, stream.live.api_key) == ("alice", alice.name)
    expiring = venue.client("expiring", valid_until=int(venue.clock.now()) + 60)
    token = token_of(expiring)
    venue.clock.advance(60)
    other = Stream(venue)
    other.heard()
    assert other.ask("subscribe", channel="executions", token=token)["error"] == "ESession:Invalid session"


def test_no_token_is_kept_or_journaled_in_clear(venue: Venue, stream: Stream, alice: Client) -> None:
    token = token_of(alice)
    stream.subscribe(channel="executions", token=token)
    assert token not in str(venue.journal())
    tokens: Tokens = stream.context.tokens
    assert token not in repr(tokens)
    assert list(tokens._tokens) == [sha256(token.encode()).digest()]
    assert venue.journal()[-1]["method"] == "GetWebSocketsToken"


def test_too_many_messages_are_answered_with_one_text(venue: Venue) -> None:
    stream = Stream(venue, limited=True)
    stream.heard()
    for _ in range(MESSAGES + 1):
        stream.say({"method": "ping"})
    *pongs, last = stream.heard()
    assert len(pongs) == MESSAGES
    assert last == {"Error": "Exceeded msg rate"}
    venue.clock.advance(1.1)
    stream.say({"method": "ping"})
    assert stream.heard()[0]["method"] == "pong"


def test_an_address_connects_so_often_and_then_not_for_a_while() -> None:
    limit = ConnectLimit()
    assert [limit.admits("a", float(second)) for second in range(CONNECTS)] == [True] * CONNECTS
    assert not limit.admits("a", 160.0)
    assert limit.admits("b", 160.0)
    assert not limit.admits("a", 700.0), "it is banned, though the first connects are forgotten"
    assert limit.admits("a", 761.0)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.0"), ("0.00008528", "8.528e-05"), ("0.000015", "1.5e-05"), ("0.0001", "0.0001"), ("60006", "60006.0"),
        ("100", "100.0"), ("0.10000000", "0.1"), ("-0.005", "-0.005"), ("123456789012.12345678", "123456789012.12345678"),
        ("1E+3", "1000.0"), ("-0.00001", "-1e-05"), ("1.0", "1.0"),
    ],
)  # fmt: skip
def test_amounts_are_numbers_and_exact(amount: str, text: str) -> None:
    assert dump({"n": [Decimal(amount)], "t": "x", "b": True}) == f'{{"n":[{text}],"t":"x","b":true}}'
    assert json.loads(dump(Decimal(amount)), parse_float=Decimal) == Decimal(amount)
