"""One decision per signal and user, under the signal's own entry id; repeating it changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from services.copy_engine.decisions.fanout import FanOut
from services.copy_engine.decisions.owed_decisions import OwedDecisions
from shared.bus.client.wire import Command
from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
from shared.bus.records import Records
from shared.bus.streams import Entry, read_entries
from shared.contracts import keys
from shared.domain.account import AccountState
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import order_id
from shared.domain.reason import ReasonCode
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_exit, an_id, an_instrument, btc, usd
from tests.support.order_stream import decided
from tests.support.wire_words import words_of

Emit = Callable[..., Awaitable[Entry]]
PAIRS = {BTC_USD: an_instrument()}


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


async def test_a_failure_inside_one_decision_is_a_skip_for_that_user_alone(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Bob's equity is more lots than the arithmetic can count: bob gets no size, and above all not the master's."""
    await bus.do("HSET", keys.account("bob", "kraken"), "equity", f"1{'0' * 20}", "cash", f"1{'0' * 20}")
    fine = an_instrument(lot_step=Decimal("1E-14"))
    await FanOut(bus, clock).distribute(await emit(), an_entry(), users, {BTC_USD: fine})
    copied = {policy.user: (await decided(bus, policy.user))[0][1] for policy in users}
    assert copied["bob"].copy is None
    assert copied["bob"].code == ReasonCode.DECISION_FAILED
    for user in ("alice", "carol"):
        copy = copied[user].copy
        assert copy is not None
        assert copy.base_size == btc("0.05")


async def test_sizing_failure_skips(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    no_price = an_instrument(tick=Decimal(1_000_000))  # no price on the tick is within the bound: a division by zero
    await FanOut(bus, clock).distribute(await emit(), an_entry(), users, {BTC_USD: no_price})
    for policy in users:
        ((_, decision),) = await decided(bus, policy.user)
        assert decision.copy is None
        assert decision.code == ReasonCode.DECISION_FAILED
        assert "DivisionByZero" in decision.reason


async def test_a_global_pause_skips_entries_of_all_and_a_users_own_only_his(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    fanout = FanOut(bus, clock)
    await bus.do("HSET", keys.control("bob"), "mode", "pause", "reason", "on holiday")
    await fanout.distribute(await emit(an_entry("1")), an_entry("1"), users, PAIRS)
    await bus.do("HSET", keys.CONTROL, "mode", "halt")
    await fanout.distribute(await emit(an_entry("2")), an_entry("2"), users, PAIRS)
    await fanout.distribute(await emit(an_exit("3")), an_exit("3"), users, PAIRS)
    found = {policy.user: [decision for _, decision in await decided(bus, policy.user)] for policy in users}
    assert [decision.copy is not None for decision in found["alice"]] == [True, False, True]
    assert [decision.copy is not None for decision in found["bob"]] == [False, False, True]
    assert found["bob"][0].reason == "pause is set: on holiday"
    assert found["bob"][0].code == found["carol"][1].code == ReasonCode.KILL_SWITCH


@pytest.mark.parametrize("key", [keys.CONTROL, keys.control("alice")])
async def test_a_switch_that_cannot_be_read_stops_entries(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit, key: str
) -> None:
    await bus.do("SET", key, "pause")
    await FanOut(bus, clock).distribute(await emit(), an_entry(), users, PAIRS)
    ((_, decision),) = await decided(bus, "alice")
    assert decision.copy is None
    assert decision.code == ReasonCode.KILL_SWITCH
    assert "the switch cannot be read" in decision.reason


async def test_a_signal_of_a_venue_that_nobody_follows_is_a_visible_skip(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    signal = an_entry(venue="binance")
    pairs = await Records(bus).instruments("binance")
    await FanOut(bus, clock).distribute(await emit(signal), signal, users, pairs)
    ((_, decision),) = await decided(bus, "alice")
    assert decision.code == ReasonCode.VENUE_NOT_FOLLOWED


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


async def test_while_this_hosts_clock_is_far_off_entries_are_skipped_with_that_reason_and_exits_are_copied(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Case S2."""
    fanout = FanOut(bus, clock, refusal=lambda: "this host's clock is 6.2 s ahead of kraken's")
    await fanout.distribute(await emit(), an_entry(), users, PAIRS)
    await fanout.distribute(await emit(an_exit("3")), an_exit("3"), users, PAIRS)
    for policy in users:
        (_, entry), (_, close) = await decided(bus, policy.user)
        assert (entry.copy, entry.code) == (None, ReasonCode.CLOCK)
        assert entry.reason == "this host's clock is 6.2 s ahead of kraken's"
        assert close.copy is not None
