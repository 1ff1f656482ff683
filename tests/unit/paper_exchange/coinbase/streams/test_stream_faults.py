"""Every fault of the streams at Coinbase: what a client sees of it, and that it strikes whom it is meant for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from services.paper_exchange.coinbase.front import DelayedRequest
from services.paper_exchange.core.fault_table import FAULTS, Stage
from services.paper_exchange.sockets import Socket
from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import GTC, MARKET, body, create, order
from tests.unit.paper_exchange.coinbase.streams.wire import Desk, FakeSocket, Wire

FAILURE = {"type": "error", "message": "authentication failure"}


def rest(key: Client) -> str:
    """Place an order that rests: its first row is PENDING, its second OPEN."""
    return create(key, GTC, base_size="0.1", limit_price="59000")


def numbers(messages: list[Any]) -> list[int]:
    return [each["sequence_num"] for each in messages]


def statuses(messages: list[Any]) -> list[str]:
    return [row["status"] for each in messages if each["channel"] == "user" for row in each["events"][0]["orders"]]


@pytest.mark.parametrize(("fault", "ending"), [("stream_cut", "cut"), ("stream_close", "closed 1000")])
@pytest.mark.parametrize("at", ["an update", "an idle second"])
def test_a_connection_is_ended(bench: Bench, desk: Desk, alice: Client, fault: str, ending: str, at: str) -> None:
    wire, bob = desk.listen(alice), desk.listen(bench.client("bob"))
    bench.arm(fault, user="alice", count=1)
    if at == "an update":
        rest(alice)
    else:
        desk.pass_time(1.25)
    assert (wire.socket.ending, wire.read(), bob.socket.ending) == (ending, [], "")
    again = desk.listen(alice)
    rest(alice)
    assert (len(again.rows()), again.socket.ending) == (2, "")


def test_silence_is_an_open_connection_on_which_nothing_comes(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    wire.subscribe("heartbeats")
    bench.arm("stream_silence", seconds=10, count=1)
    desk.pass_time(1.25)
    rest(alice)
    desk.pass_time(8)
    assert (wire.read(), wire.socket.ending) == ([], "")
    desk.pass_time(4)
    messages = wire.read()
    assert {each["channel"] for each in messages} == {"heartbeats"}
    assert messages[0]["sequence_num"] > 5, "what was lost has used its numbers up"


def test_a_gap_loses_an_update_and_its_number(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("stream_gap", count=1)
    rest(alice)
    messages = wire.read()
    assert (numbers(messages), statuses(messages)) == ([3], ["OPEN"])


def test_a_repeat_brings_the_rows_again_under_the_next_number(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("stream_repeat", count=1)
    rest(alice)
    messages = wire.read()
    assert (numbers(messages), statuses(messages)) == ([2, 3, 4], ["PENDING", "PENDING", "OPEN"])
    assert messages[0]["events"] == messages[1]["events"]


def test_a_reordered_update_comes_after_the_next_one_and_the_numbers_are_in_order(
    bench: Bench, desk: Desk, alice: Client
) -> None:
    wire = desk.listen(alice)
    bench.arm("stream_reorder", count=1)
    rest(alice)
    messages = wire.read()
    assert (numbers(messages), statuses(messages)) == ([2, 3], ["OPEN", "PENDING"])


def test_a_reordered_update_that_none_follows_comes_within_a_second(bench: Bench, desk: Desk, alice: Client) -> None:
    waiting = rest(alice)
    wire = desk.listen(alice)
    bench.arm("stream_reorder", count=1)
    alice.post("orders/batch_cancel", {"order_ids": [waiting]})
    assert wire.read() == []
    desk.pass_time(1.25)
    assert statuses(wire.read()) == ["CANCELLED"]


def test_a_lag_delays_an_update_and_nothing_overtakes_it(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("stream_lag", seconds=0.05, count=1)

    async def scenario() -> None:
        rest(alice)
        assert wire.read() == []
        async with asyncio.timeout(10):
            while len(wire.socket.texts) < 2:  # noqa: ASYNC110  # a timer of the loop sends it, and tells nobody
                await asyncio.sleep(0.01)

    asyncio.run(scenario())
    messages = wire.read()
    assert (numbers(messages), statuses(messages)) == ([2, 3], ["PENDING", "OPEN"])


def test_the_snapshot_can_come_in_two_parts(bench: Bench, desk: Desk, alice: Client) -> None:
    placed = [rest(alice) for _ in range(3)]
    bench.arm("stream_snapshot_in_batches", count=1)
    answers = desk.connect().subscribe("user", key=alice)
    batches = [[row["order_id"] for row in each["events"][0]["orders"]] for each in answers[:-1]]
    assert batches == [[placed[2], placed[1]], [placed[0]]]
    assert [each["events"][0]["type"] for each in answers[:-1]] == ["snapshot", "snapshot"]
    assert len(desk.connect().subscribe("user", key=alice)) == 2, "it was armed once"


def test_a_valid_token_can_be_refused(bench: Bench, desk: Desk, alice: Client) -> None:
    bench.arm("stream_token_refused", user="alice", count=1)
    assert desk.connect().subscribe("user", key=bench.client("bob"))[-1]["channel"] == "subscriptions"
    wire = desk.connect()
    assert wire.subscribe("user", key=alice) == [FAILURE]
    rest(alice)
    assert (wire.read(), wire.socket.ending) == ([], "")
    assert wire.subscribe("user", key=alice)[-1]["channel"] == "subscriptions"


def test_a_handshake_can_be_refused(bench: Bench, desk: Desk) -> None:
    bench.arm("stream_connect_429", count=1)
    assert [desk.streams.admit(FakeSocket()) for _ in range(2)] == [429, 0]


def test_a_row_can_come_before_the_reply(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("stream_row_before_reply", count=1)
    reply = alice.raw("POST", "orders", body(MARKET, base_size="0.1"))
    assert not isinstance(reply, DelayedRequest)
    assert (reply.delay, len(wire.rows())) == (0.5, 2)


def test_two_fills_can_come_in_one_row(bench: Bench, desk: Desk) -> None:
    rich = bench.client("rich", balances={"USD": "10000000"})
    wire = desk.listen(rich)
    bench.arm("stream_two_fills_in_one_row", count=1)
    order_id = create(rich, MARKET, base_size="5")
    assert [row["number_of_fills"] for row in wire.rows()] == ["0", "2", "3"]
    assert order(rich, order_id)["number_of_fills"] == "3"


def test_two_fills_of_a_resting_order_can_come_in_one_row(bench: Bench, desk: Desk) -> None:
    rich = bench.client("rich", balances={"USD": "10000000"})
    create(rich, GTC, base_size="4", limit_price="59000")
    wire = desk.listen(rich)
    bench.arm("stream_two_fills_in_one_row", count=1)
    bench.price("59000")
    assert wire.read() == []
    bench.price("58999")
    (row,) = wire.rows()
    assert row["number_of_fills"] == "2"


def test_messages_can_lack_the_client_id(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("stream_without_client_id", count=1)
    rest(alice)
    assert ["client_id" in each for each in wire.read()] == [False, True]


@pytest.mark.parametrize("strike", [lambda bench: bench.price("61000"), lambda _: None])
def test_a_public_channel_is_struck_only_by_name(bench: Bench, desk: Desk, strike: Callable[[Bench], None]) -> None:
    wire, named = desk.connect(), desk.connect()
    for each in (wire, named):
        each.subscribe("ticker", "BTC-USD")
    bench.arm("stream_cut")
    bench.price("61000")
    desk.pass_time(2)
    assert (wire.socket.ending, len(wire.read())) == ("", 1)
    bench.arm("stream_cut", method="ticker", count=2)
    strike(bench)
    desk.pass_time(2)
    assert (wire.socket.ending, named.socket.ending) == ("cut", "cut")


def test_the_register_knows_who_is_connected(bench: Bench, desk: Desk, alice: Client) -> None:
    wire, public = desk.listen(alice), desk.connect("8.8.8.8")
    public.subscribe("ticker", "BTC-USD")
    rest(alice)
    live, other = wire.connection.live, public.connection.live
    assert (live.venue, live.user, live.api_key, live.channels) == ("coinbase", "alice", alice.name, {"user"})
    assert (other.user, other.channels, other.address) == ("", {"ticker"}, "8.8.8.8")
    assert live.messages == 4, "snapshot, acknowledgement, two rows"
    register = desk.streams._register
    assert register.connects["coinbase", alice.name] == 1
    desk.streams.close(wire.connection)
    assert list(register.open.values()) == [other]
    bench.arm("stream_connect_429", count=1)
    desk.streams.admit(FakeSocket())
    assert register.refused["coinbase"] == 1


def test_a_handler_serves_until_its_client_leaves(desk: Desk, alice: Client) -> None:
    """The real socket's queue in front of the handler, without a network behind it."""
    socket = Socket({"path": "/", "headers": [], "client": ("1.1.1.1", 1)})

    async def scenario() -> list[Any]:
        work = asyncio.create_task(desk.streams.serve(socket))
        wire = Wire(desk, desk.connect().connection, FakeSocket())
        socket._incoming.put_nowait((0.0, '{"type":"subscribe","channel":"heartbeats"}'))
        async with asyncio.timeout(10):
            _, ack = await socket._outgoing.get()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert wire.connection in desk.streams.connections
        return [ack, len(desk.streams.connections)]

    ack, connections = asyncio.run(scenario())
    assert ("heartbeats" in ack, connections) == (True, 1)


TESTED_HERE = {
    "stream_cut", "stream_close", "stream_silence", "stream_gap", "stream_repeat", "stream_reorder", "stream_lag",
    "stream_snapshot_in_batches", "stream_token_refused", "stream_connect_429", "stream_row_before_reply",
    "stream_two_fills_in_one_row", "stream_without_client_id",
}  # fmt: skip


def test_every_stream_fault_of_coinbase_has_a_test_here() -> None:
    ours = {name for name, kind in FAULTS.items() if name.startswith("stream_") and kind.venue in {"", "coinbase"}}
    assert ours == TESTED_HERE
    assert {name for name, kind in FAULTS.items() if kind.stage is Stage.STREAM and kind.venue != "kraken"} <= ours
