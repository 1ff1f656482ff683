"""The faults of streams: what each does to a connection, and that it strikes its user, channel and count alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.paper_exchange.control.messages import NewFault
from services.paper_exchange.core.fault_table import FAULTS, Stage
from services.paper_exchange.core.faults import ArmedFault
from services.paper_exchange.kraken.streams.limits import CONNECTS
from services.paper_exchange.kraken.streams.server import KrakenStreams
from services.paper_exchange.sockets import Socket
from tests.unit.paper_exchange.faults import arm
from tests.unit.paper_exchange.streams.stream import Row, Stream, token_of
from tests.unit.paper_exchange.venue import Client, Venue


def _place_and_cancel(client: Client) -> str:
    """Cause three messages: pending_new, new, canceled."""
    txid = client.add("buy", "limit", "0.1", price="50000")
    client.ok("CancelOrder", txid=txid)
    return txid


async def _told(stream: Stream) -> list[tuple[int, str]]:
    await asyncio.sleep(0)
    return [(each["sequence"], each["data"][0]["exec_type"]) for each in stream.heard() if "sequence" in each]


def _switch(venue: Venue) -> ArmedFault:
    (switch,) = list(venue.exchange.faults)
    return switch


@pytest.mark.parametrize(("fault", "end"), [("stream_cut", "cut"), ("stream_close", 1000)])
async def test_a_connection_ends_in_place_of_an_update(
    venue: Venue, stream: Stream, alice: Client, fault: str, end: int | str
) -> None:
    stream.watch(alice)
    arm(venue, fault, count=1)
    _place_and_cancel(alice)
    assert stream.line.end == end
    assert await _told(stream) == []
    assert _switch(venue).left == 0


@pytest.mark.parametrize(("fault", "end"), [("stream_cut", "cut"), ("stream_close", 1000)])
def test_an_idle_connection_ends_within_a_second(
    venue: Venue, stream: Stream, alice: Client, fault: str, end: int | str
) -> None:
    public = Stream(venue)
    public.subscribe(channel="ticker", symbol=["BTC/USD"])
    stream.watch(alice)
    arm(venue, fault, count=1)
    public.second()
    assert public.line.end == "", "a public channel is struck by name alone"
    stream.second()
    assert stream.line.end == end
    arm(venue, fault, count=1, method="ticker")
    public.second()
    assert public.line.end == end
    public.connection.end()


async def test_a_silent_connection_stays_open_and_says_nothing(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_silence", count=1, seconds=30)
    _place_and_cancel(alice)
    stream.say({"method": "ping"})
    stream.second()
    assert (await _told(stream), stream.heard(), stream.line.end) == ([], [], "")
    venue.clock.advance(30)
    stream.second()
    assert stream.heard() == [{"channel": "heartbeat"}]
    alice.add("buy", "limit", "0.1", price="50000")
    assert await _told(stream) == [(5, "pending_new"), (6, "new")], "the numbers have gone on"


def test_silence_needs_no_event_to_begin(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_silence", count=1)
    stream.second()
    stream.second()
    assert stream.heard() == []


async def test_a_gap_skips_a_number(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    alice.add("buy", "limit", "0.1", price="50001")
    arm(venue, "stream_gap", count=1)
    _place_and_cancel(alice)
    assert await _told(stream) == [(2, "pending_new"), (3, "new"), (5, "new"), (6, "canceled")]


async def test_repeated_rows_come_in_the_next_message(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_repeat", count=1)
    alice.add("buy", "market", "0.1")
    assert await _told(stream) == [(2, "pending_new"), (3, "pending_new"), (4, "new"), (5, "trade"), (6, "filled")]


async def test_rows_out_of_order_keep_the_numbers_in_order(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_reorder", count=1)
    _place_and_cancel(alice)
    assert await _told(stream) == [(2, "new"), (3, "pending_new"), (4, "canceled")]


async def test_a_row_that_waits_for_a_next_one_waits_a_second_at_most(
    venue: Venue, stream: Stream, alice: Client
) -> None:
    txid = alice.add("buy", "limit", "0.1", price="50000")
    stream.watch(alice)
    arm(venue, "stream_reorder")
    alice.ok("CancelOrder", txid=txid)
    assert await _told(stream) == []
    stream.second()
    assert await _told(stream) == [(2, "canceled")]


async def test_every_row_out_of_order_loses_none(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_reorder")
    for _ in range(3):
        _place_and_cancel(alice)
    stream.second()
    told = await _told(stream)
    assert [number for number, _ in told] == list(range(2, 11))
    assert sorted(kind for _, kind in told) == ["canceled"] * 3 + ["new"] * 3 + ["pending_new"] * 3


async def test_what_lags_comes_late_and_in_order(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_lag", count=1, seconds=0.05)
    _place_and_cancel(alice)
    stream.say({"method": "ping"})
    assert stream.heard() == []
    *rows, pong = await stream.wait_for(4)
    assert [row["data"][0]["exec_type"] for row in rows] == ["pending_new", "new", "canceled"]
    assert pong["method"] == "pong", "nothing overtakes"
    alice.add("buy", "limit", "0.1", price="50000")
    assert len(await _told(stream)) == 2, "at once again"


async def test_what_lags_is_lost_with_its_connection(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_lag", seconds=0.01)
    _place_and_cancel(alice)
    stream.connection.end()
    await asyncio.sleep(0.05)
    assert stream.heard() == []


@pytest.mark.parametrize("channel", ["executions", "balances"])
def test_a_snapshot_can_come_in_batches(venue: Venue, stream: Stream, channel: str) -> None:
    rich = venue.client("rich", balances={"USD": "100000", "BTC": "2", "ETH": "1"})
    for number in range(3):
        rich.add("buy", "limit", "0.1", price=f"{50000 + number}")
    arm(venue, "stream_snapshot_in_batches", count=1)
    messages = stream.subscribe(rich, channel=channel)
    assert [(each["type"], each["sequence"], len(each["data"])) for each in messages] == [
        ("snapshot", 1, 2),
        ("snapshot", 2, 1),
    ]
    (whole,) = Stream(venue).subscribe(rich, channel=channel)
    assert whole["data"] == [row for each in messages for row in each["data"]]


def test_a_token_can_be_refused(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.heard()
    arm(venue, "stream_token_refused", count=1)
    refused = stream.ask("subscribe", channel="executions", token=token_of(alice))
    assert (refused["success"], refused["error"]) == (False, "ESession:Invalid session")
    stream.watch(alice)


def test_a_subscription_can_end_with_a_policy_violation(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.heard()
    arm(venue, "stream_refused_1008", count=1)
    stream.say({"method": "subscribe", "params": {"channel": "executions", "token": token_of(alice)}})
    assert (stream.heard(), stream.line.end) == ([], 1008)
    assert venue.exchange.accounts["alice", "kraken"].listeners == []


def _connect(venue: Venue, address: str = "192.0.2.7") -> int:
    streams = venue.streams
    assert isinstance(streams, KrakenStreams)
    return streams.admit(Socket({"path": "/v2", "headers": [], "client": (address, 1)}))


def test_a_connect_can_be_refused(venue: Venue) -> None:
    arm(venue, "stream_connect_429", count=2)
    assert [_connect(venue) for _ in range(3)] == [429, 429, 0]
    with pytest.raises(ValidationError, match="before the user is known"):
        NewFault.model_validate({"fault": "stream_connect_429", "user": "alice"})


def test_too_many_connects_of_an_address_are_refused_unless_the_limits_are_off(venue: Venue) -> None:
    assert [_connect(venue) for _ in range(CONNECTS + 1)] == [0] * CONNECTS + [429]
    assert _connect(venue, "192.0.2.8") == 0
    free = Venue(limits={"streams": False})
    assert {_connect(free) for _ in range(CONNECTS + 1)} == {0}


async def test_a_fill_can_say_that_it_is_partial_although_it_fills(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_trade_partially_filled", count=1)
    for _ in range(2):
        alice.add("buy", "market", "0.1")
    rows = [row for row in await stream.rows() if row["exec_type"] in {"trade", "filled"}]
    assert [(row["exec_type"], row["order_status"]) for row in rows] == [
        ("trade", "partially_filled"), ("filled", "filled"), ("trade", "filled"), ("filled", "filled"),
    ]  # fmt: skip


async def test_a_fill_can_lack_the_clients_name_of_the_order(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_trade_without_client_id", count=1)
    for name in ("one", "two"):
        alice.add("buy", "market", "0.1", cl_ord_id=name)
    trades = [row for row in await stream.rows() if row["exec_type"] == "trade"]
    assert [(row.get("cl_ord_id"), row.get("order_userref")) for row in trades] == [(None, 0), ("two", None)]


async def test_a_row_comes_before_the_answer_to_its_order(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    arm(venue, "stream_row_before_reply", count=1, seconds=3)
    reply: Any = alice.raw("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.1")
    assert reply.delay == 3
    assert len(await stream.rows()) == 4


def _updates(venue: Venue, user: str, client: Client) -> Callable[[], list[Row]]:
    watched = Stream(venue)
    watched.watch(client)

    def read() -> list[Row]:
        return [each for each in watched.heard() if each.get("channel") == "executions"]

    return read


async def test_a_fault_strikes_its_user_and_channel_alone(venue: Venue, stream: Stream, alice: Client) -> None:
    bob = venue.client("bob")
    of_alice, of_bob = _updates(venue, "alice", alice), _updates(venue, "bob", bob)
    stream.subscribe(alice, channel="balances", snapshot=False)
    arm(venue, "stream_gap", user="alice", method="executions")
    venue.exchange.faults.arm("stream_gap", venue="coinbase")
    for client in (alice, bob):
        client.add("buy", "market", "0.1")
    assert (of_alice(), len(of_bob())) == ([], 4)
    assert [each["channel"] for each in stream.heard()] == ["balances"]


async def test_a_fault_on_a_public_channel_leaves_the_private_numbers_alone(
    venue: Venue, stream: Stream, alice: Client
) -> None:
    stream.watch(alice)
    stream.subscribe(channel="ticker", symbol=["BTC/USD"])
    arm(venue, "stream_gap", method="ticker", count=1)
    for price in ("61000", "62000"):
        venue.price(price)
        await asyncio.sleep(0)
    assert [each["data"][0]["last"] for each in stream.heard()] == [62000]
    _place_and_cancel(alice)
    assert await _told(stream) == [(2, "pending_new"), (3, "new"), (4, "canceled")]


def test_every_fault_of_streams_has_a_test_here() -> None:
    text = Path(__file__).read_text()
    here = [
        name
        for name, spec in FAULTS.items()
        if (spec.stage is Stage.STREAM or name.startswith("stream_")) and spec.venue in {"", "kraken"}
    ]
    assert len(here) > 10
    assert [name for name in here if f'"{name}"' not in text] == []
