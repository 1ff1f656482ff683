"""Users who begin to follow while the master has something open: once, in order, through deaths, and never after the close."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from services.copy_engine.fanout import FanOut
from services.copy_engine.following import record_followers
from services.copy_engine.joiner import Joiner
from services.copy_engine.joining import PATIENCE_MS
from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
from shared.bus.joined_ids import is_joined
from shared.bus.records import Records, pairs
from shared.bus.streams import Entry, Group, entry_order, read_entries
from shared.contracts import keys
from shared.contracts.messages import SignalMessage
from shared.domain.account import MASTER, AccountState, Position
from shared.domain.order import Decision, Kind, order_id
from shared.domain.policy import OnJoin, OnLeave, SizingMode, SizingPolicy, UserPolicy
from shared.domain.symbol import Symbol
from tests.support.engines import carried, running, until
from tests.support.examples import (
    BTC_USD,
    NOW,
    a_policy,
    an_account,
    an_entry,
    an_exit,
    an_id,
    an_instrument,
    btc,
    btc_price,
    usd,
)
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]
Command = tuple[str | bytes | float, ...]
DAVE: Final = a_policy("dave", on_join=OnJoin.COPY_OPEN)
S: Final = an_id("open")


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.now = NOW + 40

    def __call__(self) -> int:
        """Tell."""
        return self.now


class MortalBus(Bus):
    """The real bus, on which this process dies with one command: before it has run, or after it has and nobody was told."""

    def __init__(self, bus: Bus, dies_at: int, *, after: bool) -> None:
        super().__init__(bus._reader, bus._writer)
        self._left = dies_at
        self._after = after

    @property
    def died(self) -> bool:
        """Whether the command was reached."""
        return self._left < 0

    async def do(self, *command: str | bytes | float) -> Any:
        """Run one command."""
        await self._perhaps(before=True)
        answer = await super().do(*command)
        await self._perhaps(before=False)
        return answer

    async def do_all(self, commands: Sequence[Command]) -> list[Any]:
        """Run several; they stand or fall together here."""
        await self._perhaps(before=True)
        answers = await super().do_all(commands)
        await self._perhaps(before=False)
        return answers

    async def _perhaps(self, *, before: bool) -> None:
        if before:
            self._left -= 1
        if self._left < 0 and self._after is not before:
            raise BusUnavailable("dead")


class Turn:
    """One engine's turn, a step at a time, in the engine's own order of steps."""

    def __init__(self, bus: Bus, users: Sequence[UserPolicy], clock: Callable[[], int] | None = None) -> None:
        self.bus = bus
        self.users = users
        self.clock = clock or Clock()
        self.group = Group(bus, keys.ENGINE)
        self.joiner = Joiner(bus, self.group, self.clock)
        self.fanout = FanOut(bus, self.clock)

    async def begin(self) -> Turn:
        """Take over who is followed, and what a predecessor left."""
        await self.group.ensure([keys.SIGNALS])
        await self.follow(self.users)
        for entry in await self.group.all_pending(keys.SIGNALS):
            await self._carry(entry)
        return self

    async def follow(self, users: Sequence[UserPolicy]) -> None:
        """Take over changed settings."""
        self.users = users
        self.joiner.expect(await record_followers(self.bus, self.group, users, self.clock()))

    async def carry(self) -> None:
        """Carry what is new."""
        for entry in await self.group.read_new([keys.SIGNALS], 10, 1):
            await self._carry(entry)

    async def join(self) -> bool:
        """Go one round of joining."""
        return await self.joiner.round(self.users, Records(self.bus).instruments)

    async def _carry(self, entry: Entry) -> None:
        signal = SignalMessage.parse(entry.fields).to_domain()
        await self.fanout.carry(entry, signal, self.users, {BTC_USD: an_instrument()})
        await self.group.ack(keys.SIGNALS, entry.id)


async def market(bus: Bus, price: str = "60000", at: int = NOW) -> None:
    """Publish a price."""
    await Records(bus).write_prices("kraken", [btc_price(price)], at)


async def opened(bus: Bus, emit: Emit, users: Sequence[UserPolicy]) -> Entry:
    """Have the master buy, and an engine carry it to who follows already; dave's account is ready and a price is known."""
    await Records(bus).write_account(an_account("dave"))
    await market(bus)
    entry = await emit(an_entry("open"))
    await (await Turn(bus, users).begin()).carry()
    return entry


async def told(bus: Bus, user: str = "dave") -> list[tuple[str, Decision]]:
    """Read which joined decisions stand in a user's stream."""
    return [(entry_id, decision) for entry_id, decision in await decided(bus, user) if is_joined(entry_id)]


async def joining(bus: Bus, user: str = "dave") -> str | None:
    """Read since when a user is being joined; blank once it is done, None if he never was."""
    return pairs(await bus.do("HGETALL", keys.following(user))).get("joining")


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
        await bus.do("FLUSHALL")
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
        await second.carry()
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


async def test_he_waits_for_his_account_while_signals_are_decided_as_always(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.CONNECTING, "")
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    part = await emit(an_exit("part", "0.5"))
    assert await told(bus) == []
    await turn.carry()
    await Records(bus).write_account(an_account("dave"))
    await turn.join()
    (entry_id, first), (_, join) = await decided(bus, "dave")
    assert (entry_id, first.kind) == (part.id, Kind.EXIT)
    assert join.copy is not None
    assert join.copy.base_size == btc("0.025")  # of what is left


async def test_patience_ends_in_a_visible_skip(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.PARKED, "EAPI:Invalid key")
    clock = Clock()
    turn = await Turn(bus, [*users, DAVE], clock).begin()
    clock.now += PATIENCE_MS - 1
    await turn.join()
    assert await told(bus) == []
    clock.now += 1
    await turn.join()
    ((_, decision),) = await told(bus)
    assert decision.copy is None
    assert decision.reason.endswith("waited 600 s, but account is parked: EAPI:Invalid key")
    assert await joining(bus) == ""


async def test_a_close_ends_the_waiting_with_no_trade(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.CONNECTING, "")
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    await emit(an_exit("close"))
    await Records(bus).write_account(an_account("dave"))
    await turn.join()  # the close is in the stream and not carried yet: it comes first
    assert await told(bus) == []
    await turn.carry()
    await turn.join()
    assert await told(bus) == []
    assert await joining(bus) == ""


async def test_an_entry_that_comes_while_he_waits_is_all_that_he_gets(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    await bus.do("HDEL", keys.prices("kraken"), "BTC/USD")
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    more = an_entry("more", position_before=btc("0.1"), position_after=btc("0.2"))
    entry = await emit(more)
    await turn.carry()
    await market(bus)
    await turn.join()
    (entry_id, copied), (_, join) = await decided(bus, "dave")
    assert entry_id == entry.id
    assert copied.copy is not None
    assert join.copy is None
    assert join.signal_id == S
    assert join.reason == f"not joined: the master has added to it since, see signal {an_id('more')}"


async def test_who_comes_back_joins_what_was_opened_meanwhile_and_nothing_that_was_decided_for_him(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, [*users, DAVE])  # decided for dave as it came
    turn = await Turn(bus, users).begin()
    eth = Symbol("ETH", "USD")
    unit = {"symbol": eth, "base_size": replace(btc(1), asset="ETH"), "position_after": replace(btc(1), asset="ETH")}
    flat = replace(btc(0), asset="ETH")
    price = replace(btc_price(3000), symbol=eth)
    await emit(an_entry("eth", **unit, position_before=flat, price=price, quote_size=usd(3000)))
    await turn.carry()
    await Records(bus).write_prices("kraken", [price], NOW)
    await turn.follow([*users, DAVE])
    await turn.join()
    ((_, join),) = await told(bus)
    assert (join.symbol, join.signal_id) == (eth, an_id("eth"))
    assert join.copy is not None
    assert await joining(bus) == ""


async def test_by_cash_the_master_had_what_it_has_and_what_all_this_has_cost(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    await Records(bus).write_account(an_account(MASTER, equity=usd(90_000), cash=usd(4_000)))
    follower = replace(DAVE, sizing=SizingPolicy(mode=SizingMode.CASH))
    await (await Turn(bus, [*users, follower]).begin()).join()
    ((_, join),) = await told(bus)
    assert join.copy is not None
    assert join.copy.base_size == btc("0.05")  # 5,000 of 4,000 and 6,000


async def test_who_holds_it_already_does_not_buy_it_again(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await opened(bus, emit, users)
    held = Position(BTC_USD, btc("0.01"), usd(600), NOW, NOW)
    await Records(bus).write_position("dave", "kraken", held)
    await (await Turn(bus, [*users, DAVE]).begin()).join()
    ((_, decision),) = await told(bus)
    assert decision.reason == "not joined: BTC is held from copying already"


async def test_positions_that_cannot_be_read_are_a_skip(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await opened(bus, emit, users)
    await bus.do("HSET", keys.positions("dave", "kraken"), "BTC/USD", "much")
    await (await Turn(bus, [*users, DAVE]).begin()).join()
    ((_, decision),) = await told(bus)
    assert decision.copy is None
    assert "what is held cannot be read" in decision.reason


async def test_a_user_whose_stream_is_broken_stops_nobody_and_is_joined_once_it_is_mended(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    erin = a_policy("erin", on_join=OnJoin.COPY_OPEN)
    await Records(bus).write_account(an_account("erin"))
    turn = await Turn(bus, [*users, DAVE, erin]).begin()
    await bus.do("SET", keys.orders("dave"), "not a stream")
    await turn.join()
    assert len(await told(bus, "erin")) == 1
    await bus.do("DEL", keys.orders("dave"))
    await turn.follow([*users, DAVE, erin])
    await turn.join()
    assert [len(await told(bus, user)) for user in ("dave", "erin")] == [1, 1]


@pytest.mark.parametrize(
    "policy",
    [
        a_policy("dave"),
        replace(DAVE, enabled=False, on_leave=OnLeave.EXITS_ONLY),
    ],
)
async def test_who_has_not_asked_for_it_or_only_exits_is_not_joined(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit, policy: UserPolicy
) -> None:
    await opened(bus, emit, users)
    turn = await Turn(bus, [*users, policy]).begin()
    assert await joining(bus) is None
    await turn.follow([*users, DAVE])  # he asks for it later: he follows already
    await turn.join()
    assert await joining(bus) is None
    assert await decided(bus, "dave") == []


async def test_who_changes_his_mind_while_he_waits_is_not_joined(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.CONNECTING, "")
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    await turn.follow([*users, a_policy("dave")])
    await turn.join()
    assert await joining(bus) == ""
    assert await decided(bus, "dave") == []


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
