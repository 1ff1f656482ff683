"""Only the executor's Redis user may write a user's stage: it decides how much real money an entry moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError
from shared.bus.state.stages import StageStore
from shared.contracts import keys
from shared.contracts.access import ACCESS, rules
from shared.domain.stages.ladder import BY_LADDER, LadderState, Move
from shared.domain.stages.stage import Stage
from tests.support.examples import NOW
from tests.support.leases import take_over
from tests.support.redis_server import RedisServer

STATE = LadderState(Stage.CANARY, Stage.SHADOW, NOW, cursor="1-0")
MOVE = Move(Stage.SHADOW, Stage.CANARY, BY_LADDER, "20 clean checks", NOW)


@asynccontextmanager
async def as_service(bus: Bus, server: RedisServer, service: str) -> AsyncIterator[Bus]:
    """Connect with the rights of a service."""
    password = uuid4().hex
    await bus.do("ACL", "SETUSER", service, *_words(rules(service)), f">{password}")
    try:
        async with open_bus(f"redis://{service}:{password}@127.0.0.1:{server.port}/0", "test") as connected:
            yield connected
    finally:
        await bus.do("ACL", "DELUSER", service)


def _words(text: str) -> list[str]:
    """Split rules at blanks outside of their selectors."""
    found: list[str] = []
    for word in text.split(" "):
        if found and found[-1].startswith("(") and not found[-1].endswith(")"):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


async def test_an_executor_writes_state_and_step(bus: Bus, redis_server: RedisServer) -> None:
    lease = await take_over(bus, "alice", "me")
    async with as_service(bus, redis_server, "executor") as connected:
        store = StageStore(connected, lease)
        await store.write(STATE, MOVE)
        assert await store.load() == STATE
    assert await bus.do("XLEN", keys.stage_moves("alice")) == 1


@pytest.mark.parametrize("service", sorted(ACCESS.keys() - {"executor"}))
async def test_no_other_service_writes_either(bus: Bus, redis_server: RedisServer, service: str) -> None:
    lease = await take_over(bus, "alice", "me")
    async with as_service(bus, redis_server, service) as connected:
        for command in (
            ("HSET", keys.stage("alice"), "stage", "1"),
            ("DEL", keys.stage("alice")),
            ("XADD", keys.stage_moves("alice"), "*", "after", "1"),
        ):
            with pytest.raises(BusError):
                await connected.do(*command)
        with pytest.raises(BusError):
            await StageStore(connected, lease).write(STATE, MOVE)
    assert await bus.do("EXISTS", keys.stage("alice"), keys.stage_moves("alice")) == 0
