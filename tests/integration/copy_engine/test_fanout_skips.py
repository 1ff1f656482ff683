"""What becomes a skip in a fan-out, for one user or for all; exits are copied all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import pytest

from services.copy_engine.decisions.fanout import FanOut
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from shared.domain.reason import ReasonCode
from tests.support.examples import BTC_USD, NOW, an_entry, an_exit, an_instrument, btc
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]
PAIRS = KnownMarkets({BTC_USD: an_instrument()})


def clock() -> int:
    """Stand still."""
    return NOW + 40


async def test_a_failure_inside_one_decision_is_a_skip_for_that_user_alone(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Bob's equity is more lots than the arithmetic can count: bob gets no size, and above all not the master's."""
    await bus.do("HSET", keys.account("bob", "kraken"), "equity", f"1{'0' * 20}", "cash", f"1{'0' * 20}")
    fine = an_instrument(lot_step=Decimal("1E-14"))
    await FanOut(bus, clock).distribute(await emit(), an_entry(), users, KnownMarkets({BTC_USD: fine}))
    copied = {policy.user: (await decided(bus, policy.user))[0][1] for policy in users}
    assert copied["bob"].copy is None
    assert copied["bob"].code == ReasonCode.DECISION_FAILED
    for user in ("alice", "carol"):
        copy = copied[user].copy
        assert copy is not None
        assert copy.base_size == btc("0.05")


async def test_sizing_failure_skips(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    no_price = an_instrument(tick=Decimal(1_000_000))  # no price on the tick is within the bound: a division by zero
    await FanOut(bus, clock).distribute(await emit(), an_entry(), users, KnownMarkets({BTC_USD: no_price}))
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
    await FanOut(bus, clock).distribute(await emit(signal), signal, users, KnownMarkets(pairs))
    ((_, decision),) = await decided(bus, "alice")
    assert decision.code == ReasonCode.VENUE_NOT_FOLLOWED


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
