"""What an engine has recorded comes out the same; what cannot be repeated is counted, and what differs is found."""

from __future__ import annotations

import json
from decimal import Decimal

from services.copy_engine.decisions.owed_decisions import OwedDecisions
from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import flatten
from shared.contracts import keys
from shared.contracts.decision_inputs import INPUTS
from shared.contracts.messages import SignalMessage
from shared.domain.fault import Faults
from shared.domain.limits.policy import LimitPolicy
from shared.domain.reason import ReasonCode
from shared.what_if.recorded_decision import Gap
from tests.integration.what_if.asking import ask, decide, distribute
from tests.support.engines import carried, running
from tests.support.examples import a_policy, an_entry, an_exit, btc
from tests.support.order_stream import decided
from tests.support.repeated import assert_decisions_repeat


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
