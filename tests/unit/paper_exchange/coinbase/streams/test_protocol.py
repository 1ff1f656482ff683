"""Subscribing, tokens, sequence numbers, limits: what every connection to the paper Coinbase's WebSockets meets."""

from __future__ import annotations

import json
import secrets
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from services.paper_exchange.coinbase.streams.market import CHANNELS
from services.paper_exchange.sockets import Socket
from tests.unit.paper_exchange.coinbase.bench import VIEW_ONLY, Bench, Client, private_key
from tests.unit.paper_exchange.coinbase.ordering import GTC, create
from tests.unit.paper_exchange.coinbase.streams.wire import Desk, FakeSocket, stream_claims, token_of

FAILURE = {"type": "error", "message": "authentication failure"}


def test_the_acknowledgement_has_the_recorded_shape(desk: Desk, alice: Client) -> None:
    snapshot, ack = desk.connect().subscribe("user", key=alice)
    user_id = create_and_read_user(alice)
    assert list(ack) == ["channel", "client_id", "timestamp", "sequence_num", "events"]
    assert (ack["channel"], ack["client_id"], ack["sequence_num"]) == ("subscriptions", "", 1)
    assert ack["events"] == [{"subscriptions": {"user": [user_id]}}]
    assert (snapshot["channel"], snapshot["sequence_num"], snapshot["events"][0]["orders"]) == ("user", 0, [])
    assert ack["timestamp"] == "2023-11-14T22:13:20.000000Z"


def create_and_read_user(alice: Client) -> str:
    found: str = alice.get(f"orders/historical/{create(alice, GTC, base_size='1', limit_price='100')}")["order"][
        "user_id"
    ]
    return found


def test_each_acknowledgement_lists_all_subscriptions(desk: Desk, alice: Client) -> None:
    wire = desk.connect()
    wire.subscribe("heartbeats")
    wire.subscribe("ticker", "BTC-USD")
    ack = wire.subscribe("ticker", "ETH-USD", "BTC-USD")[-1]
    assert ack["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"], "ticker": ["BTC-USD", "ETH-USD"]}}]
    ack = wire.unsubscribe("ticker", "ETH-USD")[-1]
    assert ack["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"], "ticker": ["BTC-USD"]}}]
    assert wire.unsubscribe("ticker")[-1]["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"]}}]
    assert wire.unsubscribe("heartbeats")[-1]["events"] == [{"subscriptions": {}}]
    assert wire.unsubscribe("candles")[-1]["events"] == [{"subscriptions": {}}], "what was never subscribed to"


def test_what_is_unsubscribed_sends_nothing_more(desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    for channel in ("heartbeats", *CHANNELS):
        wire.subscribe(channel, "BTC-USD", key=alice)
    for channel in ("user", "heartbeats", *CHANNELS):
        assert wire.unsubscribe(channel, key=alice)[-1]["channel"] == "subscriptions"
    create(alice, GTC, base_size="1", limit_price="100")
    desk.bench.price("61000")
    desk.pass_time(20)
    assert wire.read() == []


def test_sequence_numbers_count_over_all_channels_of_a_connection(desk: Desk, alice: Client) -> None:
    wire, other = desk.connect(), desk.connect()
    other.subscribe("ticker", "BTC-USD")
    found = wire.subscribe("user", key=alice) + wire.subscribe("heartbeats") + wire.subscribe("ticker", "BTC-USD")
    create(alice, GTC, base_size="1", limit_price="100")
    desk.pass_time(3)
    desk.bench.price("60500")
    found += wire.read()
    assert {each["channel"] for each in found} == {"subscriptions", "user", "heartbeats", "ticker"}
    assert [each["sequence_num"] for each in found] == list(range(len(found)))
    assert all(each["client_id"] == "" for each in found)


@pytest.mark.parametrize("key_type", ["ecdsa", "ed25519"])
def test_both_dialects_of_tokens_are_let_in(bench: Bench, desk: Desk, key_type: str) -> None:
    client = bench.client("dialects", key_type=key_type)
    now = int(bench.clock.now())
    eddsa = isinstance(private_key(client.secret), ed25519.Ed25519PrivateKey)
    ccxt = {
        "aud": ["cdp_service" if eddsa else "retail_rest_api_proxy"], "iss": "cdp" if eddsa else "coinbase-cloud",
        "nbf": now, "exp": now + 120, "sub": client.name, "iat": now,
    }  # fmt: skip
    for claims in (stream_claims(client), ccxt):
        assert desk.connect().subscribe("user", jwt=client.sign(claims))[-1]["channel"] == "subscriptions"


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "another"},
        {"iss": "somebody"},
        {"aud": ["others"]},
        {"exp": 1_700_000_000},
        {"exp": 1_700_000_121},
        {"nbf": 1_700_000_010},
        {"uri": "GET api.coinbase.com/api/v3/brokerage/orders"},
        {"uris": ["GET api.coinbase.com/"]},
        {"nbf": "now"},
    ],
)
def test_each_claim_is_checked(desk: Desk, alice: Client, changes: dict[str, Any]) -> None:
    wire = desk.connect()
    assert wire.subscribe("user", jwt=alice.sign_raw(stream_claims(alice) | changes)) == [FAILURE]
    assert wire.subscribe("user", jwt=alice.sign_raw(stream_claims(alice)))[-1]["channel"] == "subscriptions"


def test_the_named_key_must_have_signed(bench: Bench, desk: Desk, alice: Client) -> None:
    mallory = bench.client("mallory")
    forged = jwt.encode(
        stream_claims(alice), private_key(mallory.secret), "ES256",
        headers={"kid": alice.name, "nonce": secrets.token_hex()},
    )  # fmt: skip
    assert desk.connect().subscribe("user", jwt=forged) == [FAILURE]
    assert desk.connect().subscribe("user", jwt=f"Bearer {token_of(alice)}") == [FAILURE]
    assert desk.connect().subscribe("user", jwt="x" * 5000) == [FAILURE]


def test_after_a_failed_authentication_the_connection_stays_and_nothing_comes(desk: Desk, alice: Client) -> None:
    wire = desk.connect()
    assert wire.subscribe("user") == [FAILURE]
    create(alice, GTC, base_size="1", limit_price="100")
    desk.pass_time(30)
    assert (wire.read(), wire.socket.ending) == ([], "")


def test_a_wrong_token_is_refused_on_a_public_channel_too(desk: Desk, alice: Client) -> None:
    wire = desk.connect()
    assert wire.subscribe("ticker", "BTC-USD", jwt="nonsense") == [FAILURE]
    assert wire.subscribe("ticker", "BTC-USD")[-1]["channel"] == "subscriptions"
    assert wire.subscribe("candles", "BTC-USD", key=alice)[-1]["channel"] == "subscriptions"


def test_the_private_channel_needs_the_right_to_view(bench: Bench, desk: Desk) -> None:
    blind = bench.client("blind", permissions=["modify-orders"])
    assert desk.connect().subscribe("user", key=blind) == [FAILURE]
    viewer = bench.client("viewer", permissions=VIEW_ONLY)
    assert desk.connect().subscribe("user", key=viewer)[-1]["channel"] == "subscriptions"


def test_a_name_that_is_no_channel_is_answered_as_a_wrong_token(desk: Desk, alice: Client) -> None:
    assert desk.connect().subscribe("l2_data", key=alice) == [FAILURE]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"type":"ping"}', '{"type":"subscribe"}', '{"type":"subscribe","channel":["user"]}',
        '{"type":"subscribe","channel":"ticker","product_ids":"BTC-USD"}', "[" * 5000,
        '{"type":"subscribe","channel":"ticker","product_ids":[1]}', '{"type":"subscribe","channel":"user","jwt":7}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_answered_with_an_error(desk: Desk, text: str) -> None:
    wire = desk.connect()
    wire.connection.receive(text)
    (answer,) = wire.read()
    assert (answer["type"], wire.socket.ending) == ("error", "")


def test_a_product_that_is_not_traded_is_refused(desk: Desk) -> None:
    wire = desk.connect()
    (answer,) = wire.subscribe("ticker", "BTC-USD", "NO-USD")
    assert answer["type"] == "error"
    assert wire.unsubscribe("ticker")[-1]["events"] == [{"subscriptions": {}}]


def test_a_connection_without_a_subscription_is_cut_after_five_seconds(desk: Desk) -> None:
    silent, late, spoke = desk.connect(), desk.connect(), desk.connect()
    late.unsubscribe("ticker")
    spoke.subscribe("heartbeats")
    desk.pass_time(4.5)
    assert [each.socket.ending for each in (silent, late, spoke)] == ["", "", ""]
    desk.pass_time(1)
    assert [each.socket.ending for each in (silent, late, spoke)] == ["cut", "cut", ""]


def test_an_idle_connection_is_closed_after_60_to_90_seconds_without_heartbeats(desk: Desk, alice: Client) -> None:
    idle, beating, busy = desk.listen(alice), desk.connect(), desk.connect()
    beating.subscribe("heartbeats")
    busy.subscribe("status", "BTC-USD")
    desk.pass_time(59)
    assert idle.socket.ending == ""
    desk.pass_time(33)
    assert [each.socket.ending for each in (idle, beating, busy)] == ["closed 1000", "", ""]


def test_an_update_keeps_a_connection_open(desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    for _ in range(4):
        desk.pass_time(50)
        create(alice, GTC, base_size="1", limit_price="100")
    assert wire.socket.ending == ""
    desk.pass_time(100)
    assert wire.socket.ending == "closed 1000"


def test_a_user_has_one_private_connection(bench: Bench, desk: Desk, alice: Client) -> None:
    bob = desk.listen(bench.client("bob"))
    first, second = desk.listen(alice), desk.connect()
    second.subscribe("heartbeats", key=alice)
    assert first.socket.ending == "", "only the private channel counts"
    second.subscribe("user", key=bench.client("alice"))
    assert (first.socket.ending, second.socket.ending, bob.socket.ending) == ("closed 1000", "", "")
    create(alice, GTC, base_size="1", limit_price="100")
    assert (len(second.rows()), first.read()) == (2, [])


def test_a_closed_connection_frees_its_user_and_listens_no_more(desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    wire.subscribe("ticker", "BTC-USD")
    desk.streams.close(wire.connection)
    account = desk.bench.exchange.accounts["alice", "coinbase"]
    feed = desk.bench.exchange.market.feed("BTC/USD")
    assert (account.listeners, feed.on_move, desk.streams.connections) == ([], [], [])
    desk.pass_time(100)
    assert wire.socket.ending == ""


def test_eight_connections_a_second_and_address(bench: Bench, desk: Desk) -> None:
    def statuses(address: str = "1.1.1.1") -> list[int]:
        return [desk.streams.admit(FakeSocket(address)) for _ in range(9)]

    assert statuses() == [0] * 8 + [429]
    assert desk.streams.admit(FakeSocket("2.2.2.2")) == 0
    bench.clock.advance(1)
    assert statuses() == [0] * 8 + [429]


def test_eight_messages_a_second_and_address_without_a_token(bench: Bench, desk: Desk, alice: Client) -> None:
    wire, other = desk.connect("1.1.1.1"), desk.connect("1.1.1.1")
    answers = [wire.subscribe("ticker", "BTC-USD")[-1]["channel"] for _ in range(7)]
    assert answers == ["subscriptions"] * 7
    assert other.subscribe("ticker", jwt="wrong") == [FAILURE]
    (refused,) = wire.subscribe("ticker", "ETH-USD")
    assert refused == {"type": "error", "message": "rate limit exceeded"}
    assert wire.subscribe("ticker", "ETH-USD", key=alice)[-1]["channel"] == "subscriptions", (
        "with a token it is not counted"
    )
    bench.clock.advance(1)
    assert wire.subscribe("ticker", "SOL-USD")[-1]["channel"] == "subscriptions"


def test_the_limits_can_be_switched_off() -> None:
    desk = Desk(Bench(limits={"streams": False}))
    assert {desk.streams.admit(FakeSocket()) for _ in range(50)} == {0}
    wire = desk.connect()
    assert {wire.subscribe("ticker", "BTC-USD")[-1]["channel"] for _ in range(50)} == {"subscriptions"}


def test_no_connection_is_taken_during_maintenance(bench: Bench, desk: Desk) -> None:
    bench.arm("maintenance_mode")
    assert desk.streams.admit(FakeSocket()) == 503


def test_a_client_that_does_not_read_is_cut(desk: Desk) -> None:
    class Transport:
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    transport = Transport()
    scope = {"path": "/", "headers": [], "client": ("1.1.1.1", 1), "extensions": {"shoal.transport": transport}}
    connection = desk.streams.open(Socket(scope), desk.loop.call_later)
    connection.receive(json.dumps({"type": "subscribe", "channel": "ticker", "product_ids": ["BTC-USD"]}))
    for step in range(10_100):
        desk.bench.price(str(60_000 + step % 7))
    assert transport.aborted
