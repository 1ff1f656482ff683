"""Handing a user on: by what the other executor's heartbeat says in fields, and not in its text for people. Case R5."""

from __future__ import annotations

import asyncio

import pytest

from services.executor.turn import claims as claims_module
from services.executor.turn.claims import Claims
from shared.bus.connection import Bus, open_bus
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.access import rules
from shared.contracts.heartbeat import HeartbeatRecord
from shared.domain.fault import Faults
from tests.support.redis_server import RedisServer


async def _serve(user: str, lease: Lease) -> None:
    del user, lease


async def test_new_users_are_taken_in_beyond_the_capacity_up_to_a_limit_and_those_served_before_without_one(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []

    async def serve(user: str, lease: Lease) -> None:
        del lease
        served.append(user)
        await asyncio.Event().wait()

    for name in ("_LOOK_EVERY", "_NEED_AFTER", "_GRACE"):
        monkeypatch.setattr(claims_module, name, -1.0)
    new = [f"new-{number}" for number in range(9)]
    claims = Claims(bus, ["alice", *new], 1, "me", serve)
    await acquire(bus, "bob", "other")
    try:
        claims.users = ["alice"]
        await claims.update()
        claims.users = ["alice", "bob", *new]
        for _ in range(8):
            await claims.update()
        assert claims.serving == 1 + claims_module._MOST_NEW
        before = "old"
        await bus.do("SET", keys.fence(before), 7)
        claims.users.append(before)
        for _ in range(8):
            await claims.update()
        await asyncio.sleep(0)
        assert before in served
        assert "bob" not in served
        assert claims.serving == 2 + claims_module._MOST_NEW
    finally:
        await claims.end()


@pytest.mark.parametrize(
    ("sign", "room"),
    [
        (HeartbeatRecord(state="serving bob (1 of 3)", capacity=1, serving=1), False),
        (HeartbeatRecord(state="dienend: bob", capacity=3, serving=1), True),
        (HeartbeatRecord(state="serving bob (1 of 3)"), False),
        (HeartbeatRecord(capacity=3, serving=1, groups="eu-1"), False),
    ],
)
async def test_a_user_is_handed_on_by_fields_and_not_by_a_text(bus: Bus, sign: HeartbeatRecord, room: bool) -> None:
    claims = Claims(bus, ["alice"], 1, "me", _serve)
    await Records(bus).write_heartbeat("executor", "other", sign)
    assert await claims._room_elsewhere() is room


async def test_a_user_whom_redis_hides_delays_no_other(bus: Bus, redis_server: RedisServer) -> None:
    """Such as one who has come into the group since its Redis user got its rights."""
    await bus.do("ACL", "SETUSER", "group", *rules("executor", ["bob", "carol"]).split(), ">of-the-group")
    served: list[str] = []

    async def serve(user: str, lease: Lease) -> None:
        del lease
        served.append(user)
        await asyncio.Event().wait()

    faults = Faults()
    async with open_bus(f"redis://group:of-the-group@127.0.0.1:{redis_server.port}/0", "test") as own:
        claims = Claims(own, [f"hidden-{number}" for number in range(9)] + ["bob", "carol"], 99, "me", serve, faults)
        try:
            await claims.update()
            await asyncio.sleep(0)
            assert sorted(served) == ["bob", "carol"]
            assert {fault.subject for fault in faults.standing} == {f"hidden-{number}" for number in range(9)}
        finally:
            await claims.end()
    await bus.do("ACL", "DELUSER", "group")
