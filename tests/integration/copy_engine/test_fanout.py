"""One decision per signal and user, under the signal's own entry id; repeating it changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from services.copy_engine.decisions.fanout import FanOut
from services.copy_engine.decisions.owed_decisions import OwedDecisions
from shared.bus.client.wire import Command
from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
from shared.bus.flow.streams import Entry, read_entries
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import AccountState
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import order_id
from shared.domain.reason import ReasonCode
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_id, an_instrument, btc, usd
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided
from tests.support.wire_words import words_of

Emit = Callable[..., Awaitable[Entry]]
PAIRS = KnownMarkets({BTC_USD: an_instrument()})


class WatchedBus(Bus):
    """The real bus, which notes whose order streams are written and can fail before or after a write."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus._reader, bus._writer)
        self.written: list[str] = []
        self.fail_after_write = False

    async def do_all(self, commands: Sequence[Command]) -> list[Any]:
        """Pass the commands on."""
        answers = await super().do_all(commands)
        asked = [words_of(command) for command in commands]
        streams = [words[1] for words in asked if words[0] == "XADD"]
        self.written += streams
        if streams and self.fail_after_write:
            self.fail_after_write = False
            raise BusUnavailable("the reply was lost")
        return answers


def clock() -> int:
    """Stand still."""
    return NOW + 40


async def test_each_user_gets_one_decision_under_the_entry_id_of_the_signal(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    entry = await emit()
    await FanOut(bus, clock).distribute(entry, an_entry(), users, PAIRS)
    for policy in users:
        ((entry_id, decision),) = await decided(bus, policy.user)
        assert entry_id == entry.id
        assert decision.id == order_id(an_id("signal"), policy.user, "kraken")
        assert decision.copy is not None
        assert decision.copy.base_size == btc("0.05")
        assert decision.emitted_at == NOW + 40


async def test_carried_twice_is_decided_once_and_the_first_decision_stands(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    entry = await emit()
    fanout = FanOut(bus, clock)
    await fanout.distribute(entry, an_entry(), users, PAIRS)
    first = [await decided(bus, policy.user) for policy in users]
    await Records(bus).write_account(an_account("alice", equity=usd(50_000), cash=usd(50_000)))
    await Records(bus).mark_account("bob", "kraken", AccountState.PARKED, "no key")
    await fanout.distribute(entry, an_entry(), users, PAIRS)
    assert [await decided(bus, policy.user) for policy in users] == first
    assert all(len(each) == 1 for each in first)


async def test_a_foreign_entry_under_the_id_of_the_signal_takes_no_decision_away(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    entry = await emit()
    await bus.do("XADD", keys.orders("alice"), entry.id, "v", "1", "symbol", "???")
    for _ in range(2):
        await FanOut(bus, clock).distribute(entry, an_entry(), users, PAIRS)
    rows = read_entries(keys.orders("alice"), await bus.do("XRANGE", keys.orders("alice"), "-", "+"))
    assert [row.fields.get("id") for row in rows] == [None, order_id(an_id("signal"), "alice", "kraken")]


async def test_engine_redelivers_after_partial_fanout(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    """An engine died when alice had her decision and the others had none: its successor carries the signal to all."""
    entry = await emit()
    await FanOut(bus, clock).distribute(entry, an_entry(), users[:1], PAIRS)
    await Records(bus).write_account(an_account("alice", equity=usd(50_000), cash=usd(50_000)))
    await FanOut(bus, clock).distribute(entry, an_entry(), users, PAIRS)
    for policy in users:
        ((entry_id, decision),) = await decided(bus, policy.user)
        assert entry_id == entry.id
        assert decision.copy is not None
        assert decision.copy.base_size == btc("0.05")


async def test_a_lost_reply_is_an_outage_and_carrying_again_is_harmless(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    entry = await emit()
    watched = WatchedBus(bus)
    watched.fail_after_write = True
    fanout = FanOut(watched, clock)
    with pytest.raises(BusUnavailable):
        await fanout.distribute(entry, an_entry(), users, PAIRS)
    await fanout.distribute(entry, an_entry(), users, PAIRS)
    assert [len(await decided(bus, policy.user)) for policy in users] == [1, 1, 1]


async def test_the_user_that_goes_first_rotates(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    watched = WatchedBus(bus)
    fanout = FanOut(watched, clock)
    for number in range(4):
        signal = an_entry(str(number))
        await fanout.distribute(await emit(signal), signal, users, PAIRS)
    first = watched.written[::3]
    assert first == [keys.orders(user) for user in ("alice", "bob", "carol", "alice")]
    assert watched.written[3:6] == [keys.orders(user) for user in ("bob", "carol", "alice")]


async def test_more_users_than_fit_one_round_trip_all_get_their_decision(bus: Bus, emit: Emit) -> None:
    users = [a_policy(f"user-{number}") for number in range(150)]
    await FanOut(bus, clock).distribute(await emit(), an_entry(), users, PAIRS)
    for policy in users:
        ((_, decision),) = await decided(bus, policy.user)
        assert decision.copy is None
        assert decision.code == ReasonCode.NOT_CONNECTED


async def test_a_stream_that_is_past_the_signal_is_no_reason_to_stop_the_others(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    entry = await emit()
    await bus.do("XADD", keys.orders("alice"), f"{2**62}-0", "v", "1")
    await FanOut(bus, clock).distribute(entry, an_entry(), users, PAIRS)
    assert len(await decided(bus, "bob")) == len(await decided(bus, "carol")) == 1


async def test_decisions_that_could_not_be_written_are_owed_and_stop_nobody_else(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Case S4: an order stream of another type for a while."""
    now = 0.0
    faults = Faults()
    owed = OwedDecisions(bus, faults, lambda: now)
    fanout = FanOut(bus, clock, owed=owed)
    await bus.do("SET", keys.orders("alice"), "not a stream")
    entries = []
    for number in ("1", "2", "3"):
        entries.append(await emit(an_entry(number)))
        await fanout.distribute(entries[-1], an_entry(number), users, PAIRS)
    assert len(await decided(bus, "bob")) == len(await decided(bus, "carol")) == 3
    assert [owed.owes(entry.id) for entry in entries] == [True] * 3
    assert await owed.write_due() == []
    (fault,) = faults.standing
    assert (fault.kind, fault.subject) == (FaultKind.STREAM, "alice")
    assert "WRONGTYPE" in fault.reason
    await bus.do("DEL", keys.orders("alice"))
    assert await owed.write_due() == []  # not yet: it has just been tried
    now += 10
    assert await owed.write_due() == [entry.id for entry in entries]
    assert [entry_id for entry_id, _ in await decided(bus, "alice")] == [entry.id for entry in entries]
    assert faults.standing == ()
    assert await bus.scan(keys.dead("*")) == []


async def test_a_decision_whose_stream_is_past_the_signal_is_appended_once_all_the_same(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    entry = await emit()
    ahead = int(entry.id.split("-")[0]) + 1
    await bus.do("XADD", keys.orders("alice"), f"{ahead}-0", "v", "1")
    for _ in range(2):
        await FanOut(bus, clock).distribute(entry, an_entry(), users, PAIRS)
    stream = keys.orders("alice")
    rows = read_entries(stream, await bus.do("XRANGE", stream, "-", "+"))
    assert [row.fields.get("decision") for row in rows] == [None, "copy"]


async def test_without_users_there_is_nothing_to_do(bus: Bus, emit: Emit) -> None:
    await FanOut(bus, clock).distribute(await emit(), an_entry(), [], PAIRS)
    assert await bus.scan(keys.orders("*")) == []
