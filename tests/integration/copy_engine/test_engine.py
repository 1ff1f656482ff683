"""The engine's turn: signals in order, each to all users, acknowledged only then; poison is put aside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from services.copy_engine.engine import Engine
from shared.bus.connection import Bus
from shared.bus.errors import GroupLost
from shared.bus.flow.streams import Entry, Group
from shared.bus.flow.sweep import FIRST_SWEEP
from shared.bus.ownership.lease import acquire
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.messages import SignalMessage
from shared.domain.limits.policy import UserPolicy
from shared.domain.reason import ReasonCode
from tests.support.engines import carried, read_elsewhere, running, until
from tests.support.examples import NOW, an_entry, an_exit, an_id, btc
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]


async def test_signals_reach_every_user_in_their_order(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    async with running(bus, users):
        ids = [(await emit(an_entry(str(number)))).id for number in range(5)]
        ids.append((await emit(an_exit("close"))).id)
        await carried(bus, 6)
    for policy in users:
        assert [entry_id for entry_id, _ in await decided(bus, policy.user)] == ids


async def test_engine_redelivers_after_partial_fanout(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    """The first engine read two signals, decided the first for alice alone, and died."""
    group = Group(bus, keys.ENGINE)
    await group.ensure([keys.SIGNALS])
    first, second = await emit(an_entry("1")), await emit(an_entry("2"))
    await group.read_new([keys.SIGNALS], 10, 1)
    async with running(bus, users[:1]):
        await carried(bus, 2)
    early = await decided(bus, "alice")
    await bus.do("XGROUP", "SETID", keys.SIGNALS, keys.ENGINE, "0")  # as if neither had been acknowledged
    third = await emit(an_entry("3"))
    async with running(bus, users, "second"):
        await until_decided(bus, users, 3)
    for policy in users:
        assert [entry_id for entry_id, _ in await decided(bus, policy.user)] == [first.id, second.id, third.id]
    assert (await decided(bus, "alice"))[:2] == early


async def until_decided(bus: Bus, users: Sequence[UserPolicy], count: int) -> None:
    """Wait until so many decisions stand for every user."""

    async def done() -> bool:
        return all([await bus.do("XLEN", keys.orders(policy.user)) == count for policy in users])

    await until(done)


async def test_what_a_dead_engine_had_read_and_not_acknowledged_is_carried_before_anything_new(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    group = Group(bus, keys.ENGINE)
    await group.ensure([keys.SIGNALS])
    ids = [(await emit(an_entry(str(number)))).id for number in range(3)]
    await group.read_new([keys.SIGNALS], 2, 1)
    async with running(bus, users):
        await carried(bus, 3)
    assert [entry_id for entry_id, _ in await decided(bus, "bob")] == ids


async def test_a_signal_that_cannot_be_read_becomes_a_dead_letter_and_the_rest_flows(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    before = await emit(an_entry("before"))
    poisoned = dict(before.fields) | {"id": an_id("poison"), "price": "much"}
    flat = [part for pair in poisoned.items() for part in pair]
    poison = await bus.do("XADD", keys.SIGNALS, "*", *flat)
    after = await emit(an_entry("after"))
    async with running(bus, users):
        await carried(bus, 3)
    for policy in users:
        assert [entry_id for entry_id, _ in await decided(bus, policy.user)] == [before.id, after.id]
    ((_, row),) = await bus.do("XRANGE", keys.dead(keys.SIGNALS), "-", "+")
    dead = pairs(row)
    assert (dead["entry_id"], dead["group"], dead["field:price"]) == (poison, keys.ENGINE, "much")
    assert dead["reason"].startswith("SignalMessage.price: ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_size": "1E+999999", "price": "1E+999999", "quote_size": ""},
        {"v": "9"},
        {"kind": "exit", "side": "sell", "fraction": ""},
        {"filled_at": "1763829000000000"},
    ],
)
async def test_no_kind_of_poison_stops_the_engine(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit, wrong: dict[str, str]
) -> None:
    good = await emit(an_entry("good"))
    flat = [part for pair in (dict(good.fields) | wrong).items() for part in pair]
    await bus.do("XADD", keys.SIGNALS, "*", *flat)
    await bus.do("XADD", keys.SIGNALS, "*", "nothing", "of the kind")
    last = await emit(an_exit("last"))
    async with running(bus, users):
        await carried(bus, 4)
    assert [entry_id for entry_id, _ in await decided(bus, "alice")] == [good.id, last.id]
    assert await bus.do("XLEN", keys.dead(keys.SIGNALS)) == 2


async def test_poison_that_cannot_be_buried_holds_up_no_exit(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    """The dead-letter key has the wrong type: that ended one turn after the other, for all users."""
    await bus.do("SET", keys.dead(keys.SIGNALS), "no stream")
    await bus.do("XADD", keys.SIGNALS, "*", "nothing", "of the kind")
    last = await emit(an_exit("last"))
    async with running(bus, users):
        async with asyncio.timeout(30):
            while not await decided(bus, "alice"):  # noqa: ASYNC110  # there is no event for a stream that grows
                await asyncio.sleep(0.01)
    assert [entry_id for entry_id, _ in await decided(bus, "alice")] == [last.id]


async def test_a_signal_of_an_unknown_venue_stops_nobody(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await emit(an_entry("strange", venue="binance"))
    await emit(an_entry("usual"))
    async with running(bus, users):
        await carried(bus, 2)
    strange, usual = [decision for _, decision in await decided(bus, "alice")]
    assert strange.code == ReasonCode.VENUE_NOT_FOLLOWED
    assert usual.copy is not None
    assert usual.copy.base_size == btc("0.05")


async def test_a_flush_ends_the_turn_before_anything_is_decided_by_what_is_gone(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    lease = await acquire(bus, keys.ENGINE, "first")
    assert lease is not None
    engine = Engine(bus, users, Heartbeat(Records(bus), "copy-engine", "first"), lambda: NOW + 40, lambda: 0.0)
    turn = asyncio.create_task(engine.serve(lease))
    await emit(an_entry("1"))
    await carried(bus, 1)
    await bus.do_everywhere("FLUSHALL")
    await emit(an_exit("2"))
    with pytest.raises(GroupLost):
        async with asyncio.timeout(20):
            await turn
    assert await decided(bus, "alice") == []


async def test_it_is_noted_from_which_signal_on_each_user_is_followed(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    async with running(bus, users[:2]):
        last = await emit(an_entry("1"))
        await carried(bus, 1)
    async with running(bus, users[1:], "second"):
        await until(lambda: _has(bus, keys.following("alice"), "until"))
    found = {policy.user: pairs(await bus.do("HGETALL", keys.following(policy.user))) for policy in users}
    assert found == {
        "alice": {"from": "0-0", "until": last.id},
        "bob": {"from": "0-0"},
        "carol": {"from": last.id},
    }


async def _has(bus: Bus, key: str, name: str) -> bool:
    return bool(await bus.do("HEXISTS", key, name))


async def test_a_user_whose_stream_is_something_else_is_owed_the_decisions_also_by_the_next_engine(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Case S4: no signal is acknowledged before that user has it; the others wait for nothing, and nothing is doubled."""
    others = [policy for policy in users if policy.user != "bob"]
    await bus.do("SET", keys.orders("bob"), "not a stream")
    async with running(bus, users):
        ids = [(await emit(an_entry(str(number)))).id for number in range(3)]
        await until_decided(bus, others, 3)
        assert await Group(bus, keys.ENGINE).pending(keys.SIGNALS) == 3
    await bus.do("DEL", keys.orders("bob"))
    async with running(bus, users, "second"):
        ids.append((await emit(an_exit("close"))).id)
        await carried(bus, 4)
    for policy in users:
        assert [entry_id for entry_id, _ in await decided(bus, policy.user)] == ids


async def test_a_user_whose_stream_is_right_again_gets_what_is_owed_from_the_same_engine(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await bus.do("SET", keys.orders("bob"), "not a stream")
    async with running(bus, users):
        ids = [(await emit(an_entry(str(number)))).id for number in range(3)]
        await until_decided(bus, [policy for policy in users if policy.user != "bob"], 3)
        await bus.do("DEL", keys.orders("bob"))
        await carried(bus, 3)
    for policy in users:
        assert [entry_id for entry_id, _ in await decided(bus, policy.user)] == ids


async def test_a_user_who_comes_while_another_is_owed_is_followed_from_then_on(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    *early, late = users
    await bus.do("SET", keys.orders("alice"), "not a stream")
    async with running(bus, early) as engine:
        first = await emit(an_entry("1"))
        await until_decided(bus, early[1:], 1)
        engine.follow(users)
        await until_followed(bus, late.user)
        assert await bus.do("HGET", keys.following(late.user), "from") == first.id
        await bus.do("DEL", keys.orders("alice"))
        second = await emit(an_entry("2"))
        await carried(bus, 2)
    assert [entry_id for entry_id, _ in await decided(bus, late.user)] == [second.id]
    assert [entry_id for entry_id, _ in await decided(bus, "alice")] == [first.id, second.id]


async def until_followed(bus: Bus, user: str) -> None:
    """Wait until it is noted that a user is followed."""

    async def done() -> bool:
        return bool(await bus.do("EXISTS", keys.following(user)))

    await until(done)


async def test_a_signal_that_a_former_engine_read_after_the_take_over_is_distributed(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Its last read may be answered after the new engine has looked at what was pending."""
    elapsed = [0.0]
    async with running(bus, users, elapsed=lambda: elapsed[0]):
        await emit(an_entry("1"))
        await until_decided(bus, users, 1)
        await read_elsewhere(bus, keys.SIGNALS, keys.ENGINE, SignalMessage.from_domain(an_entry("2")).fields())
        await emit(an_entry("3"))
        await until_decided(bus, users, 2)
        elapsed[0] = FIRST_SWEEP
        await carried(bus, 3)
    for policy in users:
        found = [order.signal_id for _, order in await decided(bus, policy.user)]
        assert sorted(found) == sorted(an_entry(name).id for name in "123")
