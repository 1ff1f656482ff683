"""Handing a user on: by what the other executor's heartbeat says in fields, and not in its text for people. Case R5."""

from __future__ import annotations

import pytest

from services.executor.turn.claims import Claims
from shared.bus.connection import Bus
from shared.bus.lease import Lease
from shared.bus.records import Records
from shared.contracts.heartbeat import HeartbeatRecord


async def _serve(user: str, lease: Lease) -> None:
    del user, lease


@pytest.mark.parametrize(
    ("sign", "room"),
    [
        (HeartbeatRecord(state="serving bob (1 of 3)", capacity=1, serving=1), False),
        (HeartbeatRecord(state="dienend: bob", capacity=3, serving=1), True),
        (HeartbeatRecord(state="serving bob (1 of 3)"), False),
    ],
)
async def test_a_user_is_handed_on_by_fields_and_not_by_a_text(bus: Bus, sign: HeartbeatRecord, room: bool) -> None:
    claims = Claims(bus, ["alice"], 1, "me", _serve)
    await Records(bus).write_heartbeat("executor", "other", sign)
    assert await claims._room_elsewhere() is room
