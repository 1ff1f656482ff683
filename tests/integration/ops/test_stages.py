"""`ops stages` and `ops status` show where users stand on the canary ladder, and why one does not climb."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.contracts import keys
from shared.contracts.stage import write_move, write_stage
from shared.domain.stages.ladder import BY_LADDER, LadderState, Move
from shared.domain.stages.stage import Stage
from tests.integration.ops.command import ops
from tests.support.copies import now_ms
from tests.support.redis_server import RedisServer

SINCE = 1_795_710_000_000


@pytest.fixture
async def climbing(bus: Bus, tmp_path: Path) -> Path:
    """Alice has climbed to 0.05 and is held back, bob stays at shadow, carol trades the whole size."""
    users = tmp_path / "users"
    users.mkdir()
    (users / "alice.toml").write_text('[stage]\nauto = true\nstart = "shadow"\nmax = 0.25\n')
    (users / "bob.toml").write_text('stage = "shadow"\n')
    (users / "carol.toml").write_text("")
    state = LadderState(
        Stage.CANARY,
        Stage.SHADOW,
        SINCE,
        clean=4,
        measured=4,
        deviation_bps=Decimal("26.5"),
        faults=(now_ms(),),
        standing=frozenset({"unknown order 42"}),
        held_back="20 clean trades, but unknown order 42",
    )
    await bus.do("HSET", keys.stage("alice"), *flatten(write_stage(state)))
    move = Move(Stage.SHADOW, Stage.CANARY, BY_LADDER, "20 clean checks", SINCE)
    await bus.do("XADD", keys.stage_moves("alice"), "*", *flatten(write_move("alice", move)))
    return tmp_path


async def test_stages_shows_what_was_counted_and_the_steps(climbing: Path, redis_server: RedisServer) -> None:
    ran = await ops(redis_server.url, "stages", "--json", SHOAL_CONFIG=str(climbing))
    alice, bob = ran.json["stages"]
    assert (alice["user"], alice["stage"], alice["max"], alice["clean"], alice["trades"]) == (
        *("alice", "0.05", "0.25", 4),
        20,
    )
    assert (alice["tracking_bps"], alice["faults"], alice["standing"]) == ("6.62", 1, ["unknown order 42"])
    assert (bob["user"], bob["stage"], bob["auto"]) == ("bob", "shadow", False)
    (step,) = ran.json["steps"]
    assert (step["before"], step["after"], step["by"], step["reason"], step["at"]) == (
        *("shadow", "0.05", "ladder", "20 clean checks"),
        SINCE,
    )
    shown = (await ops(redis_server.url, "stages", SHOAL_CONFIG=str(climbing))).out
    assert "4/20" in shown
    assert "alice: unknown order 42; 20 clean trades, but unknown order 42" in " ".join(shown.split())
    assert "fixed by the file" in shown


async def test_one_user_can_be_asked_for(climbing: Path, redis_server: RedisServer) -> None:
    ran = await ops(redis_server.url, "stages", "--user", "carol", "--json", SHOAL_CONFIG=str(climbing))
    assert [(row["user"], row["stage"]) for row in ran.json["stages"]] == [("carol", "1")]


async def test_status_has_the_stage_of_each_user(climbing: Path, redis_server: RedisServer) -> None:
    ran = await ops(redis_server.url, "status", "--json", SHOAL_CONFIG=str(climbing))
    found = {row["user"]: (row["stage"], row["stage_words"]) for row in ran.json["users"]}
    assert found["alice"][0] == "0.05"
    assert found["alice"][1].startswith("stage 0.05 of at most 0.25: 4 of 20 clean trades, 1 fault; unknown order 42")
    assert found["bob"] == ("shadow", "stage shadow (fixed)")
    assert found["carol"] == ("1", "")
    shown = " ".join((await ops(redis_server.url, "status", SHOAL_CONFIG=str(climbing))).out.split())
    assert "bob: stage shadow (fixed)" in shown


async def test_a_record_that_cannot_be_read_is_said(bus: Bus, climbing: Path, redis_server: RedisServer) -> None:
    await bus.do("HSET", keys.stage("alice"), "stage", "0.5")
    ran = await ops(redis_server.url, "stages", "--user", "alice", "--json", SHOAL_CONFIG=str(climbing))
    (row,) = ran.json["stages"]
    assert row["held_back"].startswith("the record cannot be read, so no entry is copied: StageRecord.stage")
