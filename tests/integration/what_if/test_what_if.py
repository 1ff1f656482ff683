"""Other settings are judged by the live code, or refused in words; the command shows what would differ."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.contracts import keys
from shared.contracts.risk import RiskRecord
from shared.domain.limits.policy import LimitPolicy
from shared.domain.limits.risk_state import RiskState
from shared.what_if.changed_settings import SettingsChange, WhatIfRefused
from shared.what_if.views import notes_of, rows_of, what_if_json
from shared.what_if.what_if import run_what_if
from tests.integration.ops.command import ops
from tests.integration.what_if.asking import ask, decide, fill
from tests.support.examples import NOW, a_policy, an_entry, an_exit
from tests.support.order_stream import decided
from tests.support.redis_server import RedisServer


async def test_a_limit_that_was_off_is_not_guessed(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_exit("two")])
    for change in (
        "limits.max_positions=1",
        "limits.max_exposure_pct=10",
        "limits.daily_loss_pct=3",
        "sizing.mode=cash",
    ):
        found = await ask(bus, change)
        assert found.rows == [], change
        assert list(found.missing.values()) == [1], change
        assert any("cannot be judged" in note for note in notes_of(found))
    both = await ask(bus, "limits.max_positions=1", "symbols.exclude=BTC/USD")
    assert (len(both.rows), both.missing) == (1, {}), "it is skipped whatever was held"


async def test_trades_of_a_day_are_counted_from_reports_where_they_were_not_read(bus: Bus) -> None:
    later = [an_entry(name, filled_at=NOW + 30) for name in ("one", "two")]
    await decide(bus, [a_policy("alice")], later)
    await fill(bus, "alice", 0, "0.05", "60000", NOW + 20)  # before both were decided, by the test's clock
    found = await ask(bus, "limits.max_trades_per_day=1")
    assert [row.code for row in rows_of(found)] == ["max_trades", "max_trades"]
    assert found.counted_trades
    assert (await ask(bus, "limits.max_trades_per_day=2")).rows == []


@pytest.mark.parametrize(("limit", "stopped"), [("3", True), ("4", True), ("5", False)])
async def test_another_limit_on_losses_stops_by_the_loss_of_that_moment(bus: Bus, limit: str, stopped: bool) -> None:
    policy = a_policy("alice", limits=LimitPolicy(daily_loss_pct=Decimal(20)))
    risk = replace(RiskState.fresh("USD", NOW), growth=Decimal("0.96"))
    await bus.do("HSET", keys.risk("alice", "kraken"), *flatten(RiskRecord.from_domain(risk).fields()))
    await decide(bus, [policy], [an_entry("one")])
    found = await ask(bus, f"limits.daily_loss_pct={limit}")
    assert [row.code for row in rows_of(found)] == (["stopped_out"] if stopped else [])
    if stopped:
        assert f"4 % lost on the day (limits.daily_loss_pct {limit})" in rows_of(found)[0].reason


async def test_a_looser_limit_on_losses_undoes_a_stop_out(bus: Bus) -> None:
    policy = a_policy("alice", limits=LimitPolicy(daily_loss_pct=Decimal(3)))
    risk = replace(
        RiskState.fresh("USD", NOW), growth=Decimal("0.96"), stopped_until=NOW + 100_000, stopped_reason="4 % lost"
    )
    await bus.do("HSET", keys.risk("alice", "kraken"), *flatten(RiskRecord.from_domain(risk).fields()))
    await decide(bus, [policy], [an_entry("one")])
    (row,) = rows_of(await ask(bus, "limits.daily_loss_pct=10"))
    assert (row.recorded, row.would_be) == ("skip: stopped_out", "copy 0.05 BTC")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("exits.stop_loss_pct=3", "between signals"),
        ("follow.kraken=coinbase", "which account"),
        ("symbols.map=BTC/USD -> BTC/USDC", "which pair"),
        ("sizing.multiplier=0", "greater than 0"),
        ("sizing.size=1", "no setting"),
        ("sizing.multiplier", "KEY=VALUE"),
        ("limits.on_stop_out=close_all", "sold at a stop-out"),
        ("sizing.mode=fixed_quote", "quote_amount"),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_words(bus: Bus, change: str, why: str) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one")])
    with pytest.raises(WhatIfRefused, match=why):
        await ask(bus, change)


async def test_only_the_latest_are_read_where_there_are_more(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry(name) for name in "abc"])
    found = await run_what_if(bus, "alice", SettingsChange(()), 0, most=2)
    assert (found.repeated, found.cut) == (2, True)
    first, second, _ = [int(at.partition("-")[0]) for at, _ in await decided(bus, "alice")]
    part = await run_what_if(bus, "alice", SettingsChange(()), first, second + 1)
    assert part.repeated == len([at for at, _ in await decided(bus, "alice") if int(at.partition("-")[0]) <= second])


async def test_the_command_shows_the_table_and_ends_with_1_if_a_decision_differs(
    bus: Bus, redis_server: RedisServer
) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_exit("two")])
    await fill(bus, "alice", 0, "0.05", "60000")
    since = ("--from", "2020-01-01")
    ran = await ops(redis_server.url, "what-if", "alice", *since, "--set", "sizing.multiplier=0.5")
    assert ran.code == 0, ran.err
    for words in ("2 of 2 decisions", "copy 0.05 BTC", "copy 0.025 BTC", "1 smaller", "An estimate"):
        assert words in " ".join(ran.out.split())
    answer = (await ops(redis_server.url, "what-if", "alice", *since, "--set", "sizing.multiplier=0.5", "--json")).json
    assert answer == json.loads(json.dumps(what_if_json(await ask(bus, "sizing.multiplier=0.5"))))
    assert (await ops(redis_server.url, "what-if", "alicia")).code == 2
    refused = await ops(redis_server.url, "what-if", "alice", "--set", "exits.stop_loss_pct=3")
    assert (refused.code, "exits.stop_loss_pct" in refused.err) == (2, True)
    ((at, _), _) = await decided(bus, "alice")
    (row,) = await bus.do("XRANGE", keys.orders("alice"), at, at)
    fields = [*row[1]]
    fields[fields.index("reason") + 1] = "for another reason"
    await bus.do("DEL", keys.orders("alice"))
    await bus.do("XADD", keys.orders("alice"), at, *fields)
    ran = await ops(redis_server.url, "what-if", "alice", *since)
    assert ran.code == 1
    assert "reason: for another reason -> 0.1 x" in " ".join(ran.out.split())
    await bus.do("DEL", keys.orders("alice"))
