"""Users who begin to follow while the master has something open: once, in order, and through the engine's death at any step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import pytest

from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
from shared.bus.flow.joined_ids import is_joined
from shared.bus.flow.streams import Entry, Group, entry_order, read_entries
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.messages import SignalMessage
from shared.domain.account import AccountState
from shared.domain.limits.policy import OnJoin, UserPolicy
from shared.domain.order import Kind, order_id
from tests.support.engines import carried, running, until
from tests.support.examples import NOW, a_policy, an_account, an_exit, an_id, btc, btc_price
from tests.support.newcomers import DAVE, MortalBus, Turn, joining, opened, told
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]
S: Final = an_id("open")


async def test_a_new_user_buys_his_share_of_what_is_open_and_follows_from_there(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    entry = await opened(bus, emit, users)
    async with running(bus, users) as engine:
        engine.follow([*users, DAVE])
        await until(lambda: _is_done(bus))
        close = await emit(an_exit("close"))
        await carried(bus, 2)
    (joined_at, join), (closed_at, exit_) = await decided(bus, "dave")
    assert (join.id, join.signal_id) == (order_id(S, "dave", "kraken"), S)
    assert join.copy is not None
    assert join.copy.base_size == btc("0.05")
    assert join.copy.limit_price == btc_price(60300)
    assert join.signal_at == NOW + 40
    assert entry_order(entry.id) < entry_order(joined_at) < entry_order(closed_at)
    assert closed_at == close.id  # the stream still takes every signal under its own id
    assert exit_.kind is Kind.EXIT
    assert [entry_id for entry_id, _ in await decided(bus, "alice")] == [entry.id, close.id]


async def _is_done(bus: Bus) -> bool:
    return await joining(bus) == ""


async def test_an_engine_that_died_while_he_waited_leaves_him_to_the_next(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """His account is not connected yet when the first engine dies, and it is when the second begins."""
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.CONNECTING, "")
    async with running(bus, [*users, DAVE]):
        await until(lambda: _is_waiting(bus))
    assert await decided(bus, "dave") == []
    await Records(bus).write_account(an_account("dave"))
    async with running(bus, [*users, DAVE], "second", lambda: NOW + 50):
        await until(lambda: _is_done(bus))
    ((_, join),) = await told(bus)
    assert join.copy is not None
    assert join.signal_at == NOW + 50


async def _is_waiting(bus: Bus) -> bool:
    return bool(await joining(bus))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("closes", [False, True])
async def test_whatever_step_an_engine_dies_at_there_is_one_join_and_none_after_the_close(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit, *, after: bool, closes: bool
) -> None:
    joins, steps, died = [], 0, True
    while died:
        await bus.do_everywhere("FLUSHALL")
        for policy in users:
            await Records(bus).write_account(an_account(policy.user))
        await opened(bus, emit, users)
        mortal = MortalBus(bus, steps, after=after)
        try:
            first = await Turn(mortal, [*users, DAVE]).begin()
            while await first.join():
                continue
        except BusUnavailable:
            assert mortal.died
        died = mortal.died
        if closes:
            await emit(an_exit("close"))
        second = await Turn(bus, [*users, DAVE]).begin()
        await second.join()
        await second.distribute()
        await second.join()
        rows = await decided(bus, "dave")
        exits = [place for place, (_, decision) in enumerate(rows) if decision.kind is Kind.EXIT]
        found = [place for place, (entry_id, _) in enumerate(rows) if is_joined(entry_id)]
        joins.append(len(found))
        assert len(exits) == int(closes)
        assert [place for place in found if closes and place > exits[0]] == []
        assert await joining(bus) == ""
        steps += 1
    assert steps > 15  # it has died at each of them
    assert set(joins) == ({0, 1} if closes else {1})


async def test_joining_twice_is_joining_once(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    """As if every record of it were gone but the decision itself: a flush of the hash, or a zombie's last write."""
    await opened(bus, emit, users)
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    before = await told(bus)
    assert len(before) == 1
    for _ in range(2):
        await bus.do("DEL", keys.following("dave"))
        again = await Turn(bus, [*users, DAVE]).begin()
        await again.join()
        assert await joining(bus) == ""
    assert await told(bus) == before


async def test_many_who_join_together_are_joined_a_few_between_two_signals(bus: Bus, emit: Emit) -> None:
    many = [a_policy(f"user-{number:02}", on_join=OnJoin.COPY_OPEN) for number in range(40)]
    for policy in many:
        await Records(bus).write_account(an_account(policy.user))
    await opened(bus, emit, [])
    turn = await Turn(bus, many).begin()
    rounds = 1
    while await turn.join():
        rounds += 1
        assert sum([len(await told(bus, policy.user)) for policy in many]) < 40
    assert rounds == 3
    assert [len(await told(bus, policy.user)) for policy in many] == [1] * 40


async def test_a_long_history_is_read_a_little_at_a_time(bus: Bus, emit: Emit) -> None:
    turn = await Turn(bus, []).begin()
    fields = [part for pair in SignalMessage.from_domain(an_exit("old")).fields().items() for part in pair]
    await bus.do_all([("XADD", keys.SIGNALS, "*", *fields) for _ in range(4_500)])
    await bus.do("XGROUP", "SETID", keys.SIGNALS, keys.ENGINE, "$")
    await opened(bus, emit, [])
    await turn.follow([DAVE])
    assert [await turn.join() for _ in range(3)] == [True, True, False]
    assert len(await told(bus)) == 1


async def test_joined_entries_can_be_carried_out_like_all_others(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """A group that has been handed everything before is handed it too, in its place."""
    await opened(bus, emit, users)
    executors = Group(bus, keys.EXECUTOR)
    await executors.ensure([keys.orders("dave")])
    await (await Turn(bus, [*users, DAVE]).begin()).join()
    (entry,) = await executors.read_new([keys.orders("dave")], 10, 1)
    assert entry.fields["signal_id"] == S
    assert read_entries(entry.stream, await bus.do("XRANGE", entry.stream, entry.id, entry.id)) == [entry]
