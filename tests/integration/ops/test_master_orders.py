"""`ops unknown`, `status`, `resolve` and `why` on the master's own orders, whose records are written by hand here."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from uuid import uuid4

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.contracts import keys
from shared.contracts.messages import ReportMessage, SignalMessage
from shared.domain.account import MASTER
from shared.domain.order import Kind, OrderState, Side
from tests.integration.ops.command import ops
from tests.support.copies import BTC, Copies, now_ms
from tests.support.redis_server import RedisServer

WHY = "no answer within 5 s"


async def write_order(bus: Bus, state: OrderState, **more: str) -> str:
    """Write the record of an order of the master's, sent 60 s ago; return its id."""
    order, sent_at = str(uuid4()), now_ms() - 60_000
    fields = {
        "id": order, "user": MASTER, "venue": "kraken", "symbol": "BTC/USD", "side": "buy", "kind": "entry", "leg": "1",
        "target": "0.5", "base_size": "0.5", "limit_price": "60000", "client_order_id": order, "venue_order_id": "",
        "sent_at": str(sent_at), "deadline_at": str(sent_at + 5_000), "nonce": "7", "state": state.value, "reason": WHY,
        "verdict": "", **more,
    }  # fmt: skip
    await bus.do("HSET", keys.order(MASTER, order), *flatten(fields))
    return order


async def test_an_unresolved_order_of_the_master_is_listed_like_a_users(bus: Bus, redis_server: RedisServer) -> None:
    order = await write_order(bus, OrderState.UNKNOWN)
    await write_order(bus, OrderState.FILLED)
    for command in (("unknown",), ("unknown", "--user", MASTER), ("status",)):
        (row,) = (await ops(redis_server.url, *command, "--json")).json["unknown"]
        assert (row["user"], row["order_id"], row["state"], row["reason"]) == (MASTER, order, "unknown", WHY), command
        assert order in (await ops(redis_server.url, *command)).out
    assert (await ops(redis_server.url, "unknown", "--user", "bob", "--json")).json["unknown"] == []


async def test_a_verdict_on_an_order_of_the_master_is_added_to_its_record(bus: Bus, redis_server: RedisServer) -> None:
    order = await write_order(bus, OrderState.UNKNOWN)
    record = keys.order(MASTER, order)
    words = ("resolve", order, "--filled", "--size", "0.4", "--fee", "1", "--user", MASTER, "--yes", "--json")
    resolving = asyncio.create_task(ops(redis_server.url, *words))
    async with asyncio.timeout(30):
        while await bus.do("HGET", record, "verdict") != "filled":  # noqa: ASYNC110  # Redis announces no change of a field
            await asyncio.sleep(0.05)
    assert await bus.do("HMGET", record, "state", "verdict_size", "verdict_price") == ["unknown", "0.4", "60000"]
    await bus.do("HSET", record, "state", "filled", "reason", "settled by hand by ann", "filled_size", "0.4")
    done = await resolving
    assert (done.code, done.json["user"], done.json["taken"]) == (0, MASTER, True)
    assert (done.json["state"], done.json["reason"]) == ("filled", "settled by hand by ann")
    again = await ops(redis_server.url, "resolve", order, "--none", "--yes")
    assert (again.code, "is filled" in again.err) == (2, True)


async def test_why_shows_the_masters_own_order_behind_a_signal(bus: Bus, redis_server: RedisServer) -> None:
    at = now_ms() - 55_000
    signal = SignalMessage(
        id=str(uuid4()), venue="kraken", symbol=BTC, side=Side.BUY, kind=Kind.ENTRY, base_size=Decimal("0.5"),
        price=Decimal(60_000), master_equity=Decimal(100_000), master_order_id="OABC", filled_at=at, emitted_at=at,
    )  # fmt: skip
    await bus.do("XADD", keys.SIGNALS, f"{at}-0", *flatten(signal.fields()))
    await write_order(bus, OrderState.FILLED, venue_order_id="OTHER")
    order = await write_order(bus, OrderState.FILLED, venue_order_id="OABC")
    report = ReportMessage(
        id=str(uuid4()), order_id=order, signal_id=signal.id, user=MASTER, venue="kraken", symbol=BTC, side=Side.BUY,
        kind=Kind.ENTRY, outcome=OrderState.FILLED, reason="filled 0.5 BTC", filled_size=Decimal("0.5"),
        average_price=Decimal(60_000), settled_at=at,
    )  # fmt: skip
    await bus.do("XADD", keys.reports(MASTER), f"{at}-0", *flatten(report.fields()))
    (row,) = (await ops(redis_server.url, "why", "--user", MASTER, "--json")).json["users"]
    assert (row["user"], row["decision"], row["outcome"], row["order_id"]) == (MASTER, "own", "filled", order)
    assert (row["reason"], row["filled_size"], row["average_price"]) == ("filled 0.5 BTC", "0.5", "60000")
    shown = (await ops(redis_server.url, "why", "--user", MASTER)).out
    assert "master: filled 0.5 BTC" in shown


async def test_why_shows_no_order_of_the_master_for_a_fill_that_shoal_did_not_order(
    bus: Bus, redis_server: RedisServer
) -> None:
    await Copies(bus).signal()
    await write_order(bus, OrderState.FILLED)
    (row,) = (await ops(redis_server.url, "why", "--user", MASTER, "--json")).json["users"]
    assert (row["user"], row["decision"], row["outcome"]) == (MASTER, "none", "")
