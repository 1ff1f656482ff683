"""The kill switch's scopes and its record, flatten with its report, and stop-outs, as a person at the keyboard meets them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten, read_entries
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.risk import RiskRecord
from shared.domain.control import ControlMode
from shared.domain.limits.policy import StopOutAction
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.domain.position import Position
from shared.domain.values.money import Money, Quantity
from shared.domain.values.symbol import Symbol
from tests.integration.ops.command import Ran, ops
from tests.support.copies import now_ms
from tests.support.redis_server import RedisServer

BTC, ETH = Symbol("BTC", "USD"), Symbol("ETH", "USD")
SCOPES: Final = [((), "everybody"), (("--user", "alice"), "alice"), (("--symbol", "BTC/USD"), "BTC/USD")]


async def hold(bus: Bus, user: str, symbol: Symbol = BTC) -> Position:
    position = Position(symbol, Quantity(Decimal("0.1"), symbol.base), Money(Decimal(6000), "USD"), 1, 1)
    await Records(bus).write_position(user, "kraken", position)
    return position


async def close(bus: Bus, user: str, symbol: Symbol = BTC, *, left: str = "0") -> None:
    """Play the executor: an exit that ended, with what it left."""
    position = await hold(bus, user, symbol)
    size = Quantity(Decimal("0.1") - Decimal(left), symbol.base)
    await Records(bus).write_position(user, "kraken", position.sold(size, now_ms()))
    said = {"user": user, "venue": "kraken", "symbol": str(symbol), "kind": "exit", "reason": "flatten: over"}
    said["filled_size"] = str(size.amount)
    await bus.do("XADD", keys.reports(user), "*", *flatten(said))


async def until_set(bus: Bus, key: str) -> None:
    while await bus.do("HGET", key, "mode") != "flatten":  # noqa: ASYNC110  # another process sets it
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("words", "named"), SCOPES)
async def test_each_scope_has_a_switch_of_its_own_and_every_change_is_on_record(
    bus: Bus, redis_server: RedisServer, words: tuple[str, ...], named: str
) -> None:
    assert (await ops(redis_server.url, "pause", *words, "--reason", "news")).code == 0
    assert (await ops(redis_server.url, "resume", *words, "--reason", "over")).code == 0
    assert (await ops(redis_server.url, "halt", *words, "--reason", "worse")).code == 0
    alice = await Records(bus).switches("alice", BTC)
    assert [switch.mode for switch in alice].count(ControlMode.HALT) == 1
    told = (await ops(redis_server.url, "control", "--json")).json
    assert {row["of"]: row["mode"] for row in told["switches"]}[named] == "halt"
    changes = read_entries(keys.CONTROL_LOG, await bus.do("XRANGE", keys.CONTROL_LOG, "-", "+"))
    said = [tuple(each.fields[name] for name in ("of", "before", "mode", "reason")) for each in changes]
    assert said == [(named, "run", "pause", "news"), (named, "pause", "run", "over"), (named, "run", "halt", "worse")]
    assert all(each.fields["by"] and int(each.fields["at"]) > 0 for each in changes)
    assert [row["reason"] for row in told["log"]] == ["worse", "over", "news"]


async def test_status_shows_a_symbol_that_is_stopped(bus: Bus, redis_server: RedisServer) -> None:
    for symbol, command in (("BTC/USD", "pause"), ("ETH/USD", "resume")):
        assert (await ops(redis_server.url, command, "--symbol", symbol, "--reason", "news")).code == 0
    assert "BTC/USD: pause: news (" in (await ops(redis_server.url, "status")).out
    assert (await ops(redis_server.url, "status", "--json")).json["symbol_switches"] == {"BTC/USD": "pause news"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--symbol", "BTCUSD"), "not a symbol"),
        (("--symbol", "BTX/USD"), "no venue trades it"),
        (("--symbol", "BTC/USD", "--user", "alice"), "not both"),
        (("--user", "alcie"), "no such user"),
    ],
)
async def test_a_misspelt_scope_must_not_look_like_a_stop(
    bus: Bus, redis_server: RedisServer, words: tuple[str, ...], said: str
) -> None:
    for command in ("pause", "flatten"):
        ran = await ops(redis_server.url, command, *words, "--reason", "news")
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err
    assert not await bus.scan("shoal:control*")


async def test_flatten_is_not_set_without_a_yes(bus: Bus, redis_server: RedisServer) -> None:
    await hold(bus, "alice")
    assert (await ops(redis_server.url, "flatten", "--reason", "news")).code == 1
    assert not await bus.scan("shoal:control*")


async def test_flatten_reports_what_became_of_each_position_in_its_scope(bus: Bus, redis_server: RedisServer) -> None:
    await hold(bus, "alice")
    await hold(bus, "bob")
    await hold(bus, "carol", ETH)
    asked = asyncio.create_task(
        ops(redis_server.url, "flatten", "--symbol", "BTC/USD", "--reason", "news", "--yes", "--json")
    )
    await until_set(bus, keys.control_of_symbol(BTC))
    await close(bus, "alice")
    await close(bus, "bob", left="0.00001")
    ran: Ran = await asked
    assert ran.code == 0
    fates = {row["user"]: (row["before"], row["left"], row["outcome"]) for row in ran.json["positions"]}
    assert fates == {"alice": ("0.1", "0", "closed"), "bob": ("0.1", "0.00001", "dust")}


async def test_flatten_says_so_when_nobody_closes_a_position(bus: Bus, redis_server: RedisServer) -> None:
    await hold(bus, "alice")
    ran = await ops(
        redis_server.url, "flatten", "--user", "alice", "--reason", "news", "--yes", "--wait", "1", "--json"
    )
    assert (ran.code, ran.json["open"]) == (1, 1)
    assert ran.json["positions"][0]["outcome"] == "open"


async def test_stopouts_tells_those_in_force_and_those_on_record(bus: Bus, redis_server: RedisServer) -> None:
    now = now_ms()
    for user, until in (("alice", now + 60_000), ("bob", now - 1)):
        state = RiskState.fresh("USD", now)
        record = RiskRecord.from_domain(state).fields() | {
            "stopped_until": str(until),
            "stopped_by": StopOut.DAILY_LOSS,
            "stopped_action": StopOutAction.CLOSE_ALL,
            "stopped_reason": "6 % lost",
        }
        await bus.do("HSET", keys.risk(user, "kraken"), *flatten(record))
        entry = {"venue": "kraken", "rules": "daily_loss", "action": "close_all", "reason": "6 % lost"}
        await bus.do("XADD", keys.stopouts(user), "*", *flatten({**entry, "at": str(now - 5), "until": str(until)}))
    told = (await ops(redis_server.url, "stopouts", "--json")).json
    rows = [(row["user"], row["in_force"], row["since"], row["reason"]) for row in told["stopouts"]]
    assert rows == [("alice", True, now - 5, "6 % lost"), ("bob", False, now - 5, "6 % lost")]
    assert told["in_force"] == 1
    assert "STOPPED" in (await ops(redis_server.url, "stopouts", "--user", "alice")).out
    assert "STOPPED" not in (await ops(redis_server.url, "stopouts", "--user", "bob")).out
    await bus.do("HSET", keys.risk("carol", "kraken"), "day", "?")
    unread = (await ops(redis_server.url, "stopouts", "--user", "carol", "--json")).json["stopouts"][0]
    assert unread["in_force"]
    assert "cannot be read" in unread["reason"]
