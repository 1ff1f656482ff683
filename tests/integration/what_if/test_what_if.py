"""What an engine has recorded comes out the same; other settings are judged by the same code, and their effect is estimated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from services.copy_engine.decisions.fanout import FanOut
from services.copy_engine.decisions.input_recorder import InputRecorder
from services.copy_engine.decisions.owed_decisions import OwedDecisions
from shared.bus.connection import Bus
from shared.bus.records import Records
from shared.bus.signals import SignalLog
from shared.bus.streams import flatten
from shared.bus.users.settings_versions import SettingsVersions
from shared.contracts import keys
from shared.contracts.decision_inputs import INPUTS
from shared.contracts.messages import ReportMessage, SignalMessage
from shared.contracts.risk import RiskRecord
from shared.domain.fault import Faults
from shared.domain.limits.policy import LimitPolicy, UserPolicy
from shared.domain.limits.risk_state import RiskState
from shared.domain.order import OrderState, report_id
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.what_if.changed_settings import SettingsChange, WhatIfRefused, parse_changes
from shared.what_if.recorded_decision import Gap
from shared.what_if.views import notes_of, rows_of, what_if_json
from shared.what_if.what_if import WhatIf, run_what_if
from tests.integration.ops.command import ops
from tests.support.engines import carried, running
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_exit, an_instrument, btc
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided
from tests.support.redis_server import RedisServer
from tests.support.repeated import assert_decisions_repeat


async def decide(bus: Bus, users: Sequence[UserPolicy], signals: Sequence[Signal]) -> None:
    """Have an engine decide about signals, for users who are ready."""
    await Records(bus).write_instruments("kraken", [an_instrument()])
    for policy in users:
        await Records(bus).write_account(an_account(policy.user))
    async with running(bus, users):
        for signal in signals:
            await SignalLog(bus).emit(signal)
        await carried(bus, len(signals))


async def fill(bus: Bus, user: str, place: int, size: str, price: str, at: int = NOW + 500) -> None:
    """Report that a user's decision has filled."""
    _, decision = (await decided(bus, user))[place]
    report = ReportMessage(
        id=report_id(decision.id),
        order_id=decision.id,
        signal_id=decision.signal_id,
        user=user,
        venue=decision.venue,
        symbol=decision.symbol,
        side=decision.side,
        kind=decision.kind,
        outcome=OrderState.FILLED,
        filled_size=Decimal(size),
        average_price=Decimal(price),
        fee=Decimal(2),
        settled_at=at,
    )
    await bus.do("XADD", keys.reports(user), "*", *flatten(report.fields()))


async def ask(bus: Bus, *changes: str, user: str = "alice") -> WhatIf:
    """Run a what-if over everything."""
    return await run_what_if(bus, user, parse_changes(changes), 0)


async def test_what_an_engine_has_decided_comes_out_the_same(bus: Bus) -> None:
    users = [
        a_policy("alice"),
        a_policy("bob", limits=LimitPolicy(max_positions=2, max_exposure_pct=Decimal(50), daily_loss_pct=Decimal(5))),
        a_policy("carol", enabled=False),
    ]
    await bus.do("HSET", keys.control("bob"), "mode", "pause", "reason", "holiday")
    await decide(bus, users, [an_entry("one"), an_exit("two"), an_entry("three", base_size=btc("0.0000001"))])
    assert await assert_decisions_repeat(bus) == 6, "carol is not followed"
    found = await ask(bus)
    assert (found.repeated, found.equal, found.rows, found.gaps) == (3, True, [], {})


async def distribute(bus: Bus, refusal: str = "", owed: OwedDecisions | None = None) -> None:
    """Distribute an entry to alice by a fan-out that records."""
    await Records(bus).write_account(an_account())
    versions, users = SettingsVersions(bus), [a_policy("alice")]
    await versions.record(users)
    fanout = FanOut(bus, lambda: NOW + 40, refusal=lambda: refusal, owed=owed, inputs=InputRecorder(versions.of))
    await SignalLog(bus).emit(an_entry("one"))
    (entry,) = await SignalLog(bus).latest(1)
    await fanout.distribute(entry, an_entry("one"), users, KnownMarkets({BTC_USD: an_instrument()}))


async def test_what_the_clock_forbade_is_forbidden_again(bus: Bus) -> None:
    await distribute(bus, "this host's clock is 90 s slow")
    ((_, decision),) = await decided(bus, "alice")
    assert decision.code == ReasonCode.CLOCK
    assert await assert_decisions_repeat(bus) == 1


async def test_a_decision_that_was_written_late_has_its_inputs_too(bus: Bus) -> None:
    owed = OwedDecisions(bus, Faults())
    await bus.do("SET", keys.orders("alice"), "no stream")
    await distribute(bus, owed=owed)
    await bus.do("DEL", keys.orders("alice"))
    assert await owed.write_due()
    assert await assert_decisions_repeat(bus) == 1


async def test_versions_that_redis_refuses_stop_no_signal_and_are_recorded_later(bus: Bus) -> None:
    await bus.do("SET", keys.SETTINGS_VERSIONS, "no hash")
    await decide(bus, [a_policy("alice")], [an_entry("one")])
    assert (await ask(bus)).gaps == {Gap.NO_SETTINGS: 1}
    await bus.do("DEL", keys.SETTINGS_VERSIONS)
    async with running(bus, [a_policy("alice")], "second"):
        await SignalLog(bus).emit(an_entry("two"))
        await carried(bus, 2)
    assert await assert_decisions_repeat(bus) == 2


async def test_each_version_of_the_settings_is_recorded_once_for_all_who_share_it(bus: Bus) -> None:
    await decide(bus, [a_policy("alice"), a_policy("bob")], [an_entry("one")])
    assert await bus.do("HLEN", keys.SETTINGS_VERSIONS) == 1
    async with running(bus, [a_policy("alice"), a_policy("bob")], "second") as engine:
        engine.follow([a_policy("alice"), a_policy("bob", on_join_bps=Decimal(7))])
        await SignalLog(bus).emit(an_entry("two"))
        await carried(bus, 2)
    assert await bus.do("HLEN", keys.SETTINGS_VERSIONS) == 2
    assert await assert_decisions_repeat(bus) == 4


async def test_a_smaller_multiplier_halves_entries_and_what_they_made(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_exit("two")])
    await fill(bus, "alice", 0, "0.05", "60000")
    await fill(bus, "alice", 1, "0.05", "61000", NOW + 900)
    found = await ask(bus, "sizing.multiplier=0.5")
    (row,) = rows_of(found)
    assert (row.recorded, row.would_be) == ("copy 0.05 BTC", "copy 0.025 BTC")
    effect = found.effect
    assert (effect.entries_smaller, effect.exits_smaller, effect.entries_not_made) == (1, 1, 0)
    assert (effect.profit, effect.changed_profit) == ({"USD": Decimal(46)}, {"USD": Decimal(23)})


async def test_an_entry_that_would_not_have_been_made_leaves_its_exit_without_anything_to_sell(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_exit("two")])
    await fill(bus, "alice", 0, "0.05", "60000")
    await fill(bus, "alice", 1, "0.05", "59000", NOW + 900)
    found = await ask(bus, "symbols.exclude=BTC/USD")
    (row,) = rows_of(found)
    assert (row.would_be, row.code) == ("skip: symbol_filtered", "symbol_filtered")
    assert (found.effect.entries_not_made, found.effect.exits_smaller) == (1, 1)
    assert (found.effect.profit, found.effect.changed_profit) == ({"USD": Decimal(-54)}, {"USD": Decimal(0)})


async def test_an_entry_that_was_skipped_is_bought_and_sold_at_the_masters_prices(bus: Bus) -> None:
    policy = a_policy("alice", limits=LimitPolicy(max_order_quote=Decimal("0.1")))
    sale = an_exit("two", price=replace(an_exit().price, amount=Decimal(61_000)))
    await decide(bus, [policy], [an_entry("one"), sale])
    found = await ask(bus, "limits.max_order_quote=")
    (row,) = rows_of(found)
    assert (row.recorded, row.would_be) == ("skip: max_order", "copy 0.05 BTC")
    assert found.effect.entries_added == 1
    bought, sold = Decimal("0.05") * 60_000 * Decimal("1.004"), Decimal("0.05") * 61_000 * Decimal("0.996")
    assert (found.effect.profit, found.effect.changed_profit) == ({"USD": Decimal(0)}, {"USD": sold - bought})


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


async def test_decisions_without_inputs_signal_or_settings_are_counted(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_entry("two")])
    (first, _), (second, _) = await decided(bus, "alice")
    await bus.do("XDEL", keys.SIGNALS, second)
    rows = await bus.do("XRANGE", keys.orders("alice"), first, first)
    old = dict(zip(rows[0][1][::2], rows[0][1][1::2], strict=True))
    other = flatten(SignalMessage.from_domain(an_entry("three")).fields())
    await bus.do("XADD", keys.SIGNALS, "9999999999999-3", *other)
    for at, fields in (
        ("9999999999999-1", {**old, INPUTS: ""}),
        ("9999999999999-2", {"v": "1", "id": "?"}),
        ("9999999999999-3", old),
    ):
        await bus.do("XADD", keys.orders("alice"), at, *flatten(fields))
    found = await ask(bus, "sizing.multiplier=0.5")
    assert found.gaps == {Gap.NO_SIGNAL: 2, Gap.NO_INPUTS: 1, Gap.UNREADABLE: 1}
    assert found.repeated == 1
    await bus.do("DEL", keys.SETTINGS_VERSIONS)
    assert (await ask(bus)).gaps[Gap.NO_SETTINGS] == 1


async def test_a_decision_that_comes_out_differently_is_a_mismatch_and_is_not_judged(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one")])
    ((at, _),) = await decided(bus, "alice")
    rows = await bus.do("XRANGE", keys.orders("alice"), at, at)
    fields = dict(zip(rows[0][1][::2], rows[0][1][1::2], strict=True))
    inputs = json.loads(fields[INPUTS])
    inputs["a"][0] = "99 USD"
    await bus.do("DEL", keys.orders("alice"))
    changed = fields | {INPUTS: json.dumps(inputs)}
    await bus.do("XADD", keys.orders("alice"), at, *flatten(changed))
    found = await ask(bus, "sizing.multiplier=0.5")
    assert not found.equal
    assert found.rows == []
    assert {each.name for each in found.mismatches[0].differences} == {"base_size", "reason"}
    await bus.do("DEL", keys.orders("alice"))  # it shall not come out the same


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
