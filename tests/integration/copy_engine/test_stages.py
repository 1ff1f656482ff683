"""A user's stage is read with each signal and written into the decision: it decides the size once, and whether it is placed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from services.copy_engine.decisions.fanout import FanOut
from services.copy_engine.followers.follower_reader import FollowerReader
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, flatten
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.messages import OrderMessage
from shared.contracts.stage import write_stage
from shared.domain.copying.decision_plan import decide
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Decision
from shared.domain.reason import ReasonCode
from shared.domain.stages.ladder import LadderState
from shared.domain.stages.stage import Stage, StagePolicy
from tests.integration.copy_engine.test_follower_reader import CountingBus, clock
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_exit, an_instrument, btc, btc_price
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]
PAIRS = KnownMarkets({BTC_USD: an_instrument()})
AUTO = StagePolicy(start=Stage.SHADOW, auto=True, max=Stage.QUARTER)


async def write(bus: Bus, user: str, stage: Stage, start: Stage = Stage.SHADOW) -> None:
    """Record a user's stage as the executor does."""
    await bus.do("HSET", keys.stage(user), *flatten(write_stage(LadderState(stage, start, NOW))))


async def carried(bus: Bus, emit: Emit, *users: UserPolicy) -> list[Decision]:
    """Distribute the example entry; answers each user's decision."""
    for policy in users:
        await Records(bus).write_account(an_account(policy.user))
    await FanOut(bus, clock).distribute(await emit(), an_entry(), users, PAIRS)
    return [(await decided(bus, policy.user))[-1][1] for policy in users]


def at(user: str, stage: Stage) -> UserPolicy:
    return a_policy(user, stage=StagePolicy(start=stage))


async def test_every_user_of_one_signal_is_sized_by_their_own_stage(bus: Bus, emit: Emit) -> None:
    """Users of one signal share a template of their orders: none may get another one's stage."""
    alice, bob, carol, dave, eve = await carried(
        bus,
        emit,
        at("alice", Stage.FULL),
        at("bob", Stage.CANARY),
        at("carol", Stage.QUARTER),
        at("dave", Stage.SHADOW),
        a_policy("eve", paper=True, stage=StagePolicy(start=Stage.PAPER)),
    )
    placed = [each.copy and each.copy.base_size for each in (alice, bob, carol, dave, eve)]
    assert placed == [btc("0.05"), btc("0.0025"), btc("0.0125"), None, btc("0.05")]
    assert [each.stage for each in (alice, bob, carol, dave, eve)] == ["", "0.05", "0.25", "shadow", ""]
    assert dave.shadow is not None
    assert (dave.shadow.base_size, dave.shadow.limit_price) == (btc("0.05"), btc_price(60300))
    assert dave.reason.endswith("; stage shadow: checked at kraken, not placed")
    assert "x stage 0.05 = 0.0025" in bob.reason


def test_a_decision_at_shadow_has_no_copy_even_before_it_is_written() -> None:
    follower = Follower(at("dave", Stage.SHADOW), an_account("dave"), (), venue="kraken", stage=Stage.SHADOW)
    decision = decide(an_entry(), follower, an_instrument(), NOW + 40)
    assert decision.copy is None
    assert decision.shadow is not None


async def test_a_shadow_entry_is_no_copy_on_the_wire(bus: Bus, emit: Emit) -> None:
    """What does not know the stage (an executor of another version, a page, the audit) must take it for no order."""
    await carried(bus, emit, at("dave", Stage.SHADOW), at("alice", Stage.FULL))
    rows = await bus.do("XRANGE", keys.orders("dave"), "-", "+")
    fields = dict(zip(rows[0][1][::2], rows[0][1][1::2], strict=True))
    assert (fields["decision"], fields["stage"], fields["base_size"]) == ("shadow", "shadow", "0.05")
    rows = await bus.do("XRANGE", keys.orders("alice"), "-", "+")
    assert "stage" not in rows[0][1]


async def test_the_recorded_stage_counts_from_the_next_signal_on(bus: Bus, emit: Emit) -> None:
    alice = a_policy("alice", stage=AUTO)
    (first,) = await carried(bus, emit, alice)
    assert first.stage == "shadow"
    await write(bus, "alice", Stage.CANARY)
    later = an_entry("later")
    await FanOut(bus, clock).distribute(await emit(later), later, [alice], PAIRS)
    decisions = [decision for _, decision in await decided(bus, "alice")]
    assert [each.stage for each in decisions] == ["shadow", "0.05"]  # the first one stands


async def test_a_signal_that_is_distributed_again_after_a_step_keeps_its_first_decision(bus: Bus, emit: Emit) -> None:
    """An engine may die between the decision and its acknowledgement; the user may have moved meanwhile."""
    alice = a_policy("alice", stage=replace(AUTO, start=Stage.CANARY))
    await Records(bus).write_account(an_account("alice"))
    entry = await emit()
    await FanOut(bus, clock).distribute(entry, an_entry(), [alice], PAIRS)
    await write(bus, "alice", Stage.QUARTER, start=Stage.CANARY)
    await FanOut(bus, clock).distribute(entry, an_entry(), [alice], PAIRS)
    ((_, decision),) = await decided(bus, "alice")
    assert decision.copy is not None
    assert (decision.stage, decision.copy.base_size) == ("0.05", btc("0.0025"))


async def test_the_engine_takes_no_stage_above_the_files_max_nor_one_of_another_start(bus: Bus, emit: Emit) -> None:
    await write(bus, "alice", Stage.FULL)
    await write(bus, "bob", Stage.FULL, start=Stage.CANARY)
    alice, bob = await carried(bus, emit, a_policy("alice", stage=AUTO), a_policy("bob", stage=AUTO))
    assert (alice.stage, bob.stage) == ("0.25", "shadow")


@pytest.mark.parametrize("broken", ["hash", "type"])
async def test_a_stage_that_cannot_be_read_skips_the_users_entries_and_no_exit(
    bus: Bus, emit: Emit, broken: str
) -> None:
    if broken == "hash":
        await bus.do("HSET", keys.stage("alice"), "v", "1", "stage", "0.5")
    else:
        await bus.do("SET", keys.stage("alice"), "0.5")
    alice = a_policy("alice", stage=AUTO)
    entry, other = await carried(bus, emit, alice, a_policy("bob"))
    assert (entry.copy, entry.shadow, entry.code) == (None, None, ReasonCode.RECORD_UNREADABLE)
    assert other.copy is not None
    close = an_exit("close")
    await FanOut(bus, clock).distribute(await emit(close), close, [alice], PAIRS)
    assert (await decided(bus, "alice"))[-1][1].copy is not None


async def test_an_exit_is_never_scaled_nor_only_checked(bus: Bus, emit: Emit) -> None:
    users = [at("bob", Stage.CANARY), at("dave", Stage.SHADOW)]
    close = an_exit("close", "0.4")
    await FanOut(bus, clock).distribute(await emit(close), close, users, PAIRS)
    for policy in users:
        ((_, decision),) = await decided(bus, policy.user)
        assert decision.copy is not None
        assert (decision.copy.fraction, decision.stage) == (Decimal("0.4"), "")


async def test_only_users_whose_stage_moves_cost_a_read(bus: Bus) -> None:
    counting = CountingBus(bus)
    users = [at("alice", Stage.SHADOW), a_policy("bob", stage=AUTO)]
    await FollowerReader(counting, clock).followers(an_entry(), users)
    ((*_, last),) = counting.trips
    assert last == keys.stage("bob")
    assert keys.stage("alice") not in counting.trips[0]


async def test_the_joins_of_a_user_follow_the_stage_as_well(bus: Bus) -> None:
    """Joining reads its follower by the same reader."""
    await write(bus, "alice", Stage.CANARY)
    (follower,) = await FollowerReader(bus, clock).followers(an_entry(), [a_policy("alice", stage=AUTO)])
    assert follower.stage is Stage.CANARY


@pytest.mark.parametrize("stage", ["", "0.05"])
async def test_the_short_way_and_the_schema_read_the_same_stage(bus: Bus, emit: Emit, stage: str) -> None:
    (decision,) = await carried(bus, emit, at("bob", Stage(stage or "1")))
    rows = await bus.do("XRANGE", keys.orders("bob"), "-", "+")
    fields = dict(zip(rows[0][1][::2], rows[0][1][1::2], strict=True))
    assert OrderMessage.parse(fields).to_domain() == decision
    assert decision.stage == stage
