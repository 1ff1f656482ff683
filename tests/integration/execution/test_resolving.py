"""What became of an order whose last send has no proven end: never sent twice for want of an answer, by either caller.

Cases R1 and R2, and S1's clocks. What only one caller has is tested beside that caller.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import pytest

from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.domain.order import OrderState
from shared.domain.values.money import ZERO
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from tests.integration.execution.caller import SIZE, Caller

PROVEN_AFTER = 8.0
"""Seconds: five to the deadline, three in which a fresh order may be missing from the venue's lists."""
_LONG = 600.0
_ONE_MS = 0.001


@dataclass(frozen=True)
class Clocks:
    """What happens to the venue's clock, a second after the send; `proven` is when an absence is a proof, by the steady clock."""

    proven: float
    uncertainty: int = 0
    step: int = 0


CLOCKS = [
    pytest.param(Clocks(PROVEN_AFTER), id="right"),
    pytest.param(Clocks(PROVEN_AFTER + 4, uncertainty=4_000), id="uncertain by 4 s"),
    pytest.param(Clocks(PROVEN_AFTER, step=60_000), id="set ahead by 60 s"),
    pytest.param(Clocks(PROVEN_AFTER + 60, step=-60_000), id="set back by 60 s"),
]


async def _bought_once(caller: Caller) -> None:
    """The order was sent once, and what it bought is booked and reported once."""
    report = await caller.ended()
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal(SIZE))
    assert (len(caller.account.orders), await caller.held()) == (1, Decimal(SIZE))


async def test_a_lost_reply_gives_one_order(caller: Caller) -> None:
    caller.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    caller.account.hidden_lookups = 2
    await caller.send()
    await _bought_once(caller)


@pytest.mark.parametrize("clocks", CLOCKS)
async def test_a_request_that_is_held_up_until_its_last_moment_is_found(caller: Caller, clocks: Clocks) -> None:
    """It reaches the venue at its deadline, and the lists show it as late as a fresh order may be missing from them."""
    caller.venue.fail("place", OutcomeUnknown("connection lost"))
    caller.time.uncertainty = clocks.uncertainty
    order_id = await caller.send()
    caller.time.at(caller.began_at + 1, lambda: caller.time.step(clocks.step))
    caller.time.at(caller.began_at + clocks.proven - _ONE_MS, lambda: caller.arrive(order_id))
    await _bought_once(caller)


@pytest.mark.parametrize("clocks", CLOCKS)
async def test_a_lost_request_is_ended_once_its_absence_is_proven(caller: Caller, clocks: Clocks) -> None:
    caller.venue.fail("place", OutcomeUnknown("connection lost"))
    caller.time.uncertainty = clocks.uncertainty
    await caller.send()
    caller.time.at(caller.began_at + 1, lambda: caller.time.step(clocks.step))
    assert (await caller.ended()).outcome is caller.nothing_filled
    assert clocks.proven <= caller.time.steady - caller.began_at < clocks.proven + 15
    assert (len(caller.account.orders), await caller.held()) == (0, ZERO)


async def test_an_accepted_order_that_the_lists_do_not_show_yet_is_waited_for(caller: Caller) -> None:
    caller.account.hidden_lookups = 4
    searches = caller.venue.calls["find"]
    await caller.send()
    await _bought_once(caller)
    assert caller.venue.calls["find"] == searches, "its id at the venue is known: no search through the lists"


async def _named_and_lost(caller: Caller) -> str:
    """Have the venue take an order, name it, and show it in no list for ten minutes."""
    caller.account.hidden_lookups = 1_000_000
    order_id = await caller.send()
    await caller.until_reported(order_id)
    await caller.until_later(_LONG)
    assert (await caller.record(order_id))["state"] == "accepted"
    assert await caller.reports() == []
    return order_id


async def test_an_order_that_the_venue_has_named_is_never_absent(caller: Caller) -> None:
    """Case R1: it is asked about however long the lists are behind; a second purchase would follow otherwise."""
    order_id = await _named_and_lost(caller)
    caller.account.hidden_lookups = 0
    await _bought_once(caller)
    assert not caller.reported(order_id)


async def test_an_order_that_is_shown_again_is_no_fault_although_it_is_still_open(caller: Caller) -> None:
    caller.account.rests = True
    order_id = await _named_and_lost(caller)
    caller.account.hidden_lookups = 0

    await caller.until_later(60)
    assert not caller.reported(order_id)
    assert not caller.task.done()
    caller.fill()
    await _bought_once(caller)


async def test_a_crash_clears_the_report_of_a_lost_order_and_the_next_process_makes_it_again(caller: Caller) -> None:
    order_id = await _named_and_lost(caller)
    await caller.crash()
    assert not caller.reported(order_id)
    await caller.restart()
    await caller.until_reported(order_id)
    caller.account.hidden_lookups = 0
    await _bought_once(caller)


async def test_an_operator_can_end_the_asking_with_a_fill(caller: Caller) -> None:
    """Case R1: the only end of an order that was named and is shown no more."""
    order_id = await _named_and_lost(caller)
    said = VerdictRecord(
        verdict=VerdictKind.FILLED, verdict_size=Decimal(SIZE), verdict_price=Decimal(60_000), verdict_by="ann"
    )
    assert await caller.verdict(order_id, said)
    report = await caller.ended()
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal(SIZE))
    assert "settled by hand by ann" in report.reason
    assert (await caller.held(), caller.reported(order_id)) == (Decimal(SIZE), False)


async def test_an_operator_can_end_the_asking_with_nothing(caller: Caller) -> None:
    """Case R1: the order is not sent a second time, fresh or not."""
    order_id = await _named_and_lost(caller)
    assert await caller.verdict(order_id, VerdictRecord(verdict=VerdictKind.NONE, verdict_by="ann"))
    report = await caller.ended()
    assert report.outcome is caller.nothing_filled
    assert "settled by hand by ann" in report.reason
    assert (len(caller.account.orders), await caller.held(), caller.reported(order_id)) == (1, ZERO, False)


async def test_a_verdict_does_not_count_before_the_deadline(caller: Caller) -> None:
    """Until then the request can still reach the venue, whatever the operator saw there."""
    caller.venue.fail("place", OutcomeUnknown("connection lost"))
    gate = caller.venue.hold("find")
    order_id = await caller.send()
    await caller.until_state(order_id, OrderState.UNKNOWN)
    assert await caller.verdict(order_id, VerdictRecord(verdict=VerdictKind.NONE, verdict_by="ann"))
    gate.set()
    assert (await caller.ended()).outcome is caller.nothing_filled
    assert caller.time.steady - caller.began_at > PROVEN_AFTER - 3


async def test_a_name_that_a_search_has_found_outlives_the_process(caller: Caller) -> None:
    """The next one does not take the order for absent, although no list shows it any more."""
    caller.account.rests = True
    caller.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    order_id = await caller.send()
    await caller.until_state(order_id, OrderState.ACCEPTED)
    (order,) = caller.account.orders
    assert (await caller.record(order_id))["venue_order_id"] == order.venue_order_id
    caller.account.hidden_lookups = 1_000_000
    await caller.restart()
    await caller.until_reported(order_id)
    await caller.until_later(_LONG)
    assert await caller.reports() == []
    caller.account.hidden_lookups = 0
    caller.fill()
    await _bought_once(caller)


async def test_a_name_that_a_search_has_found_makes_a_record_whole_that_redis_has_lost(caller: Caller) -> None:
    caller.account.rests = True
    caller.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    caller.account.hidden_lookups = 1
    gate = caller.venue.hold("find")
    order_id = await caller.send()
    await caller.until_state(order_id, OrderState.UNKNOWN)
    await caller.bus.do("DEL", f"shoal:order:{{{caller.user}}}:{order_id}")
    gate.set()
    await caller.until_state(order_id, OrderState.ACCEPTED)
    record = await caller.record(order_id)
    assert {"id", "user", "venue", "symbol", "side", "kind", "leg"} <= record.keys()
    assert record["client_order_id"] == order_id
    caller.fill()
    await caller.ended()
    assert await caller.held() == Decimal(SIZE)


async def test_a_crash_between_write_ahead_and_send_sends_nothing_later(caller: Caller) -> None:
    caller.crash_point.at = caller.crash_points["write-ahead"]
    order_id = await caller.send()
    await asyncio.wait({caller.task})
    assert (await caller.record(order_id))["state"] == "sending"
    await caller.restart()
    assert (await caller.ended()).outcome is caller.nothing_filled
    assert (len(caller.account.orders), await caller.held()) == (0, ZERO)
    assert caller.time.steady - caller.began_at >= PROVEN_AFTER


@pytest.mark.parametrize("step", ["reply", "settle"])
async def test_a_crash_after_the_venue_took_the_order_books_it_once(caller: Caller, step: str) -> None:
    caller.crash_point.at = caller.crash_points[step]
    order_id = await caller.send()
    await asyncio.wait({caller.task})
    assert (await caller.record(order_id))["state"] == ("sending" if step == "reply" else caller.before_end)
    assert await caller.reports() == []
    await caller.restart()
    await _bought_once(caller)


async def test_the_next_process_waits_for_what_its_predecessor_sent(caller: Caller) -> None:
    """Another process's request may be invisible for a while after the deadline, by the steady clock of this one too."""
    caller.crash_point.at = caller.crash_points["write-ahead"]
    order_id = await caller.send()
    await asyncio.wait({caller.task})
    await caller.restart()
    caller.time.at(caller.time.steady + 3 - _ONE_MS, lambda: caller.arrive(order_id))
    caller.time.step(600_000)  # by the venue's clock alone everything was over long ago
    await _bought_once(caller)


async def test_a_key_that_is_refused_while_the_venue_is_asked_ends_nothing(caller: Caller) -> None:
    caller.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    caller.venue.fail("find", Rejected("EAPI:Invalid key", Refusal.AUTH))
    await caller.send()
    await caller.until_key_refused()
    assert await caller.reports() == []
    await caller.key_works_again()
    await _bought_once(caller)


async def test_a_venue_that_does_not_answer_proves_nothing(caller: Caller) -> None:
    caller.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    caller.venue.fail("find", Unavailable("EService:Unavailable"), times=200)
    await caller.send()
    await caller.until_later(_LONG)
    assert await caller.reports() == []
    await _bought_once(caller)
