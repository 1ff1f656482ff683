"""The kill switch as the engine obeys it: durable, in every scope, and in the middle of a fan-out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from services.copy_engine.decisions.fanout import FanOut
from shared.bus.client.wire import Command
from shared.bus.connection import Bus, open_bus
from shared.bus.flow.streams import Entry
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.control import ControlMode
from shared.domain.limits.policy import UserPolicy
from shared.domain.reason import ReasonCode
from tests.support.engines import carried, running
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_exit, an_instrument
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided
from tests.support.redis_server import RedisServer
from tests.support.wire_words import words_of

Emit = Callable[..., Awaitable[Entry]]
PAIRS = KnownMarkets({BTC_USD: an_instrument()})
SCOPES = [keys.CONTROL, keys.control("alice"), keys.control_of_symbol("BTC/USD")]


async def set_switch(bus: Bus, key: str, mode: ControlMode) -> None:
    """Set a switch as an operator does."""
    await bus.do("HSET", key, "mode", mode, "reason", "a test", "by", "ann", "at", str(NOW))


@pytest.mark.parametrize("scope", SCOPES)
async def test_pause_survives_restart(
    bus: Bus, redis_server: RedisServer, users: Sequence[UserPolicy], emit: Emit, scope: str
) -> None:
    """Neither the engine nor Redis forgets it: both are killed between the switch and the signal."""
    await set_switch(bus, scope, ControlMode.PAUSE)
    async with running(bus, users):
        await emit(an_entry("before"))
        await carried(bus, 1)
    redis_server.kill()
    redis_server.start()
    async with open_bus(redis_server.url, "test") as again, running(again, users, "second"):
        await emit(an_entry("after"))
        await carried(again, 2)
        for _, decision in await decided(again, "alice"):
            assert (decision.copy, decision.code) == (None, ReasonCode.KILL_SWITCH)


@pytest.mark.parametrize("mode", [ControlMode.CLOSE_ONLY, ControlMode.PAUSE, ControlMode.FLATTEN, ControlMode.HALT])
@pytest.mark.parametrize("scope", SCOPES)
async def test_close_only_lets_exits_through(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit, scope: str, mode: ControlMode
) -> None:
    """The engine decides every exit under any switch; only the executor holds one back, and only while `halt` is set."""
    await set_switch(bus, scope, mode)
    for number, signal in enumerate([an_entry("in"), an_exit("out")]):
        await FanOut(bus, lambda: NOW + 40).distribute(await emit(signal), signal, users, PAIRS)
        decision = (await decided(bus, "alice"))[number][1]
        assert (decision.copy is not None) is (signal.fraction is not None)


async def test_a_switch_stops_no_more_than_its_scope(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await set_switch(bus, keys.control("alice"), ControlMode.PAUSE)
    await set_switch(bus, keys.control_of_symbol("ETH/USD"), ControlMode.HALT)
    await FanOut(bus, lambda: NOW + 40).distribute(await emit(), an_entry(), users, PAIRS)
    copied = {policy.user: (await decided(bus, policy.user))[0][1].copy is not None for policy in users}
    assert copied == {"alice": False, "bob": True, "carol": True}


class SwitchingBus(Bus):
    """The real bus, in which an operator presses the switch as soon as the first decisions are written."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus._reader, bus._writer)
        self.pressed = False

    async def do_all(self, commands: Sequence[Command]) -> list[Any]:
        """Pass the commands on; after the first writes, press."""
        answers = await super().do_all(commands)
        if not self.pressed and any(words_of(command)[0] == "XADD" for command in commands):
            self.pressed = True
            await set_switch(self, keys.CONTROL, ControlMode.PAUSE)
        return answers


async def test_kill_switch_mid_fanout(bus: Bus, emit: Emit) -> None:
    """Whoever is decided after the switch gets no entry; what was decided before meets it again in the executor."""
    users = [a_policy(f"user-{number:02}") for number in range(40)]
    for policy in users:
        await Records(bus).write_account(an_account(policy.user))
    await FanOut(SwitchingBus(bus), lambda: NOW + 40).distribute(await emit(), an_entry(), users, PAIRS)
    decisions = [(await decided(bus, policy.user))[0][1] for policy in users]
    copied = [decision.copy is not None for decision in decisions]
    assert copied == [True] * 16 + [False] * 24  # users are decided in chunks, each with the switches of its own moment
    assert {decision.code for decision in decisions[16:]} == {ReasonCode.KILL_SWITCH}
