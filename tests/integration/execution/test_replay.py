"""A venue that answers a repeated request with the first order: an order without an answer is sent again, never doubled.

`replay_creates_nothing`, and what a replay may not do: go past the entry's age or a kill switch, or prove an absence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.order import OrderState
from shared.domain.values.money import ZERO
from shared.execution.timing import REPLAY_FOR_MS
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from tests.integration.execution.caller import FRESH_FOR, SIZE, Caller
from tests.integration.execution.callers import CALLERS, ExecutorCaller
from tests.integration.executor.rig import until

LOST = OutcomeUnknown("connection lost")
PROVEN_AFTER = 8.0
"""Seconds from the start of a send: five to its deadline, three in which a fresh order may be missing from the venue's lists."""


@pytest.fixture(params=sorted(CALLERS))
async def caller(request: pytest.FixtureRequest, bus: Bus) -> Caller:
    started = CALLERS[request.param](bus)
    started.account.replays = True
    await started.start()
    return started


async def bought_once(caller: Caller) -> None:
    report = await caller.ended()
    assert (report.outcome, str(report.filled_size)) == (OrderState.FILLED, SIZE)
    assert (len(caller.account.orders), str(await caller.held())) == (1, SIZE)


async def test_replay_creates_nothing_when_the_reply_was_lost(caller: Caller) -> None:
    caller.venue.fail("place", LOST, after_accept=True)
    searches = caller.venue.calls["find"]
    await caller.send()
    await bought_once(caller)
    assert (caller.venue.calls["replay"], caller.venue.calls["find"]) == (1, searches)
    assert caller.time.steady - caller.began_at < 1, "nothing was waited for"


async def test_a_request_that_was_lost_is_made_good_by_the_same_request(caller: Caller) -> None:
    caller.venue.fail("place", LOST)
    caller.venue.fail("replay", LOST)
    caller.venue.fail("replay", Unavailable("busy"))
    order_id = await caller.send()
    await bought_once(caller)
    (order,) = caller.account.orders
    assert order.client_order_id == (await caller.record(order_id))["client_order_id"]
    assert caller.venue.calls["replay"] == 3


async def test_there_is_no_nonce_in_the_record_nor_in_redis(caller: Caller, bus: Bus) -> None:
    order_id = await caller.send()
    await bought_once(caller)
    record = await caller.record(order_id)
    assert (record["nonce"], record["attempts"]) == ("0", "1")
    assert await bus.scan(keys.nonce("*", "*")) == []


async def test_another_process_sends_the_recorded_request_again(caller: Caller) -> None:
    caller.crash_point.at = caller.crash_points["write-ahead"]
    order_id = await caller.send()
    await caller.until_state(order_id, OrderState.SENDING)
    request = (await caller.record(order_id))["request"]
    await caller.restart()
    await caller.ended()
    record = await caller.record(order_id)
    assert record["request"] == request
    assert caller.venue.calls["replay"] == (1 if caller.user == "master" else 0), "an entry was past its age by then"
    assert len(caller.account.orders) == caller.venue.calls["replay"]


async def test_an_entry_is_not_sent_again_past_its_age_and_is_searched_for(caller: Caller) -> None:
    caller.venue.fail("place", LOST)
    caller.venue.fail("replay", LOST, times=1_000)
    await caller.send()
    report = await caller.ended()
    assert report.outcome is caller.nothing_filled
    assert (len(caller.account.orders), await caller.held()) == (0, ZERO)
    assert caller.venue.calls["replay"] > 1
    may_be_sent_for = REPLAY_FOR_MS if caller.user == "master" else FRESH_FOR
    assert caller.time.steady - caller.began_at >= may_be_sent_for / 1000 - 4 + PROVEN_AFTER, "after the last deadline"


async def test_a_refused_replay_proves_nothing_an_earlier_copy_may_still_arrive(caller: Caller) -> None:
    caller.venue.fail("place", LOST)
    caller.venue.fail("replay", Rejected("INSUFFICIENT_FUND", Refusal.FUNDS))
    order_id = await caller.send()
    caller.time.at(caller.began_at + PROVEN_AFTER - 0.001, lambda: caller.arrive(order_id))
    await bought_once(caller)
    assert caller.venue.calls["replay"] == 1


async def test_a_refused_replay_ends_in_no_order_once_its_absence_is_proven(caller: Caller) -> None:
    caller.venue.fail("place", LOST)
    caller.venue.fail("replay", Rejected("INSUFFICIENT_FUND", Refusal.FUNDS))
    await caller.send()
    assert (await caller.ended()).outcome is caller.nothing_filled
    assert caller.time.steady - caller.began_at >= PROVEN_AFTER
    assert (len(caller.account.orders), caller.venue.calls["replay"]) == (0, 1)


async def test_nothing_is_sent_again_after_a_kill_switch(caller: Caller, bus: Bus) -> None:
    await bus.do("HSET", keys.control(caller.user), "mode", "run")
    gate = caller.venue.hold("replay")
    caller.venue.fail("place", LOST)
    caller.venue.fail("replay", LOST)
    await caller.send()
    await until(_asked(caller), "the first replay has left")
    await bus.do("HSET", keys.control(caller.user), "mode", "halt", "reason", "enough", "by", "ann", "at", "1")
    gate.set()
    assert (await caller.ended()).outcome is caller.nothing_filled
    assert (len(caller.account.orders), caller.venue.calls["replay"]) == (0, 1)


async def test_a_record_that_has_gone_on_is_not_sent_again(caller: Caller, bus: Bus) -> None:
    """Somebody else's send, or a Redis that lost writes: it is searched for instead."""
    gate = caller.venue.hold("replay")
    caller.venue.fail("place", LOST)
    caller.venue.fail("replay", LOST, times=1_000)
    order_id = await caller.send()
    await caller.until_state(order_id, OrderState.UNKNOWN)
    await until(_asked(caller), "the first replay has left")
    await bus.do("HSET", keys.order(caller.user, order_id), "client_order_id", "another")
    gate.set()
    assert (await caller.ended()).outcome is caller.nothing_filled
    assert (len(caller.account.orders), caller.venue.calls["replay"]) == (0, 1)


def _asked(caller: Caller) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return caller.venue.calls["replay"] > 0

    return asked


async def test_a_replay_does_not_make_the_order_a_younger_one(bus: Bus) -> None:
    """A stream that was opened after the first request may have missed what that made: it must not be awaited for it."""
    caller = ExecutorCaller(bus)
    caller.account.replays = True
    await caller.start()
    caller.venue.fail("place", LOST, after_accept=True)
    caller.venue.fail("replay", Unavailable("busy"))
    order_id = await caller.send()
    await bought_once(caller)
    attempt = caller.attempts[order_id]
    assert attempt.begun_at == pytest.approx(caller.began_at, abs=0.01)
    assert caller.venue.calls["replay"] == 2
