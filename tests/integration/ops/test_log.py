"""`ops log` and `ops lift`: who changed what, and a stop-out that ends early."""

from __future__ import annotations

from dataclasses import replace

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.contracts.stop_out_lift import lift_field
from shared.domain.limits.risk_state import RiskState, StopOut
from tests.integration.ops.command import ops
from tests.support.copies import now_ms
from tests.support.redis_server import RedisServer
from tests.support.risk_states import write_risk


async def test_the_log_shows_every_change_and_those_of_one_user(bus: Bus, redis_server: RedisServer) -> None:
    assert "nothing has been changed" in (await ops(redis_server.url, "log")).out
    for words in (("pause", "--user", "alice"), ("halt",), ("resume",)):
        assert (await ops(redis_server.url, *words, "--reason", f"why {words[0]}")).code == 0
    assert (await ops(redis_server.url, "reload")).code == 0
    changes = (await ops(redis_server.url, "log", "--json")).json["changes"]
    assert [(each["action"], each["of"], each["reason"]) for each in changes] == [
        ("reload", "everybody", "ops reload"),
        ("run", "everybody", "why resume"),
        ("halt", "everybody", "why halt"),
        ("pause", "alice", "why pause"),
    ]
    (own,) = (await ops(redis_server.url, "log", "--user", "alice", "--json")).json["changes"]
    assert (own["of"], bool(own["by"]), own["at"] > 0) == ("alice", True, True)
    assert "why pause" in (await ops(redis_server.url, "log", "--user", "alice")).out
    assert (await ops(redis_server.url, "log", "--user", "zed")).code == 2


async def test_a_stop_out_is_lifted_after_the_question(bus: Bus, redis_server: RedisServer) -> None:
    refused = await ops(redis_server.url, "lift", "--user", "alice", "--reason", "x", "--yes")
    assert (refused.code, "alice is not stopped out" in refused.err) == (2, True)
    until = now_ms() + 3_600_000
    state = replace(
        RiskState.fresh("USD", now_ms()),
        stopped_until=until,
        stopped_by=(StopOut.DAILY_LOSS,),
        stopped_reason="6 % lost",
    )
    await write_risk(bus, "alice", "kraken", state)
    asked = await ops(redis_server.url, "lift", "--user", "alice", "--reason", "x")
    assert (asked.code, "lifts the stop-out of alice at kraken" in asked.out) == (1, True)
    assert await bus.do("HGET", keys.control("alice"), lift_field("kraken")) is None
    done = await ops(redis_server.url, "lift", "--user", "alice", "--reason", "agreed", "--yes", "--json")
    assert (done.code, done.json["reason"]) == (0, "agreed")
    assert await bus.do("HGET", keys.control("alice"), lift_field("kraken")) == str(until)
