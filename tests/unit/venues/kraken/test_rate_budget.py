"""The client-side counters, on a clock that the test moves. No test here waits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, strategies as st

from shared.venues.errors import Unavailable
from shared.venues.kraken.rate_budget import Limits, RateBudget, Tier
from shared.venues.meter import Meter


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def _budget(tier: Tier | None, time: Time) -> RateBudget:
    return RateBudget(tier, monotonic=time.monotonic, sleep=time.sleep)


async def test_an_idle_key_sends_at_once() -> None:
    time = Time()
    budget = _budget(Tier.STARTER, time)
    for _ in range(14):
        await budget.admit_lookup("BalanceEx")
    await budget.admit_order("XBTUSD", patience=10)
    assert time.slept == []


async def test_a_full_counter_waits_exactly_until_it_has_fallen() -> None:
    time = Time()
    budget = _budget(Tier.PRO, time)
    for _ in range(19):
        await budget.admit_lookup("BalanceEx")
    await budget.admit_lookup("BalanceEx")
    await budget.admit_lookup("TradesHistory")
    assert time.slept == pytest.approx([1.0, 2.0])
    time.now += 1000
    await budget.admit_lookup("BalanceEx")
    assert len(time.slept) == 2


async def test_orders_are_counted_per_pair_and_apart_from_lookups() -> None:
    time = Time()
    budget = _budget(Tier.STARTER, time)
    for _ in range(14):
        await budget.admit_lookup("BalanceEx")
    for _ in range(59):
        await budget.admit_order("XBTUSD", patience=10)
    await budget.admit_order("ETHUSD", patience=10)
    assert time.slept == []
    await budget.admit_order("XBTUSD", patience=10)
    assert time.slept == pytest.approx([1.0])


async def test_an_order_that_could_not_be_sent_in_time_is_not_waited_for() -> None:
    time = Time()
    budget = _budget(Tier.STARTER, time)
    for _ in range(59):
        await budget.admit_order("XBTUSD", patience=10)
    with pytest.raises(Unavailable) as told:
        await budget.admit_order("XBTUSD", patience=0.5)
    assert told.value.retry_after == pytest.approx(1.0)
    assert time.slept == []


async def test_what_the_venue_says_goes_before_what_we_counted() -> None:
    time = Time()
    budget = _budget(Tier.INTERMEDIATE, time)
    assert budget.lookups_exceeded() == pytest.approx(4.0)  # (20 + 1 - 19) / 0.5
    assert budget.orders_exceeded("XBTUSD") == pytest.approx(2 / 2.34)
    await budget.admit_lookup("BalanceEx")
    assert time.slept == pytest.approx([4.0])


async def test_a_patient_lookup_leaves_room_for_others() -> None:
    time = Time()
    budget = _budget(Tier.INTERMEDIATE, time)
    for _ in range(10):
        await budget.admit_lookup("QueryOrders")
    await budget.admit_lookup("BalanceEx", patient=True)
    assert time.slept == []
    await budget.admit_lookup("BalanceEx", patient=True)
    assert time.slept == pytest.approx([2.0])  # (11 + 1 + 8 - 19) / 0.5
    for _ in range(8):
        await budget.admit_lookup("QueryOrders")
    assert time.slept == pytest.approx([2.0])  # the room that was left


async def test_a_patient_lookup_is_patient_for_a_while_only() -> None:
    time = Time()
    budget = _budget(Tier.STARTER, time)
    for _ in range(14):
        await budget.admit_lookup("QueryOrders")
    await budget.admit_lookup("BalanceEx", patient=True)
    assert sum(time.slept) == pytest.approx(15.0)


async def test_without_a_tier_nobody_is_patient() -> None:
    time = Time()
    await _budget(None, time).admit_lookup("BalanceEx", patient=True)
    assert time.slept == []


async def test_what_was_waited_for_and_given_up_is_not_counted() -> None:
    time = Time()

    async def given_up(_seconds: float) -> None:
        raise asyncio.CancelledError

    budget = RateBudget(Tier.STARTER, monotonic=time.monotonic, sleep=given_up)
    for _ in range(14):
        await budget.admit_lookup("QueryOrders")
    for _ in range(59):
        await budget.admit_order("XBTUSD", patience=10)
    for _ in range(100):
        with pytest.raises(asyncio.CancelledError):
            await budget.admit_lookup("QueryOrders")
        with pytest.raises(asyncio.CancelledError):
            await budget.admit_order("XBTUSD", patience=10)
    time.now += 1 / 0.33 + 0.01  # one more of each fits again, as if nobody else had ever stood there
    await budget.admit_lookup("QueryOrders")
    await budget.admit_order("XBTUSD", patience=10)


async def test_a_queue_of_lookups_has_an_end() -> None:
    time = Time()

    async def nobody_sleeps(_seconds: float) -> None:
        return None

    budget = RateBudget(Tier.STARTER, monotonic=time.monotonic, sleep=nobody_sleeps)
    for _ in range(14 + 9):  # 9 more wait up to 27 s
        await budget.admit_lookup("BalanceEx")
    with pytest.raises(Unavailable) as told:
        await budget.admit_lookup("BalanceEx")
    assert told.value.retry_after > 30


async def test_without_a_tier_nothing_is_counted() -> None:
    time = Time()
    budget = _budget(None, time)
    for _ in range(1000):
        await budget.admit_lookup("TradesHistory")
        await budget.admit_order("XBTUSD", patience=0)
    assert time.slept == []
    assert budget.lookups_exceeded() == budget.orders_exceeded("XBTUSD") == 0.0


@given(
    steps=st.lists(st.tuples(st.floats(0, 20), st.sampled_from([1.0, 2.0])), max_size=200),
    tier=st.sampled_from(list(Tier)),
)
def test_the_venue_s_counter_is_never_exceeded(steps: list[tuple[float, float]], tier: Tier) -> None:
    limits: Limits = tier.value
    now, level, seen_at = 0.0, 0.0, 0.0
    meter = Meter(limits.lookups, limits.lookups_decay, lambda: now)
    for pause, cost in steps:
        now += pause
        now += meter.reserve(cost)
        level = max(0.0, level - (now - seen_at) * limits.lookups_decay) + cost  # the venue's own count
        seen_at = now
        assert level <= limits.lookups


async def test_a_budget_that_learns_takes_the_venues_tier_and_keeps_what_it_has_counted() -> None:
    time = Time()
    budget = RateBudget(Tier.INTERMEDIATE, learns=True, monotonic=time.monotonic, sleep=time.sleep)
    for _ in range(124):
        await budget.admit_order("XBTUSD", patience=10)
    for _ in range(19):
        await budget.admit_lookup("BalanceEx")
    assert time.slept == []
    assert budget.learn(180)
    for _ in range(55):
        await budget.admit_order("XBTUSD", patience=10)
    assert time.slept == []
    await budget.admit_order("XBTUSD", patience=10)
    assert time.slept == pytest.approx([1 / 3.75])
    await budget.admit_lookup("BalanceEx")
    assert time.slept[1:] == pytest.approx([1 - 1 / 3.75])


@pytest.mark.parametrize(
    ("tier", "learns", "most"), [(Tier.STARTER, False, 180), (Tier.STARTER, True, 77), (None, False, 180)]
)
def test_a_tier_that_was_set_and_a_number_that_names_none_change_nothing(
    tier: Tier | None, learns: bool, most: int
) -> None:
    budget = RateBudget(tier, learns=learns)
    assert not budget.learn(most)
    assert budget._limits == (None if tier is None else tier.value)
