"""The end of an order as the account's private stream shows it: booked like REST's; REST is asked whenever there is a doubt.

By both callers. Absence is never concluded from a stream, and nothing is awaited that the stream may have missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.domain.order import OrderState, Side
from shared.domain.values.money import ZERO
from shared.execution.following.stream_watch import PATIENCE
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected
from shared.venues.fake_stream import FakeStream
from shared.venues.port import VenueOrder
from tests.integration.execution.caller import SIZE, Caller
from tests.unit.master_strategy.values import btc, btc_price

LOST = OutcomeUnknown("connection lost")
PROVEN_AFTER = 8.0


async def _bought_once(caller: Caller) -> float:
    """The order was sent once, what it bought is booked and reported once; return the seconds that this took."""
    report = await caller.ended()
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal(SIZE))
    assert (len(caller.account.orders), await caller.held()) == (1, Decimal(SIZE))
    return caller.time.steady - caller.began_at


async def _send(caller: Caller) -> str:
    caller.count_from_here()
    return await caller.send()


def _while_it_rests(caller: Caller, stream: FakeStream, show: Callable[[VenueOrder, VenueOrder], object]) -> None:
    """Fill the order a moment after it was sent, and show only what `show` makes of it when it was open and when it had ended."""

    def happen() -> None:
        (opened,) = caller.account.orders
        stream.miss()
        caller.fill()
        stream.miss(missing=False)
        show(opened, caller.account.orders[0])

    caller.account.rests = True
    caller.time.at(caller.began_at + 0.3, happen)


async def test_an_end_that_comes_before_the_answer_needs_no_question(caller: Caller) -> None:
    await caller.open_stream()
    await _send(caller)
    assert await _bought_once(caller) < PATIENCE
    assert (caller.lookups, caller.missed) == (0, [])


async def test_an_end_that_comes_after_the_answer_is_awaited(caller: Caller) -> None:
    stream = await caller.open_stream()
    stream.hold()
    await _send(caller)
    caller.time.at(caller.began_at + 0.7, stream.release)
    assert 0.7 <= await _bought_once(caller) <= PATIENCE
    assert (caller.lookups, caller.missed) == (0, [])


async def test_an_order_that_is_shown_open_first_is_awaited_to_its_end(caller: Caller) -> None:
    await caller.open_stream()
    caller.account.rests = True
    await _send(caller)
    caller.time.at(caller.began_at + 0.4, caller.fill)
    assert await _bought_once(caller) <= PATIENCE
    assert caller.lookups == 0


async def test_an_order_that_rests_is_asked_about_seldom_and_ended_by_the_stream(caller: Caller) -> None:
    await caller.open_stream()
    caller.account.rests = True
    await _send(caller)
    caller.time.at(caller.began_at + 28, caller.fill)
    assert 28 <= await _bought_once(caller) < 29
    assert (caller.lookups, caller.missed) == (3, []), "after one second, and every ten"


async def test_an_end_that_never_comes_is_asked_for_and_counted(caller: Caller) -> None:
    stream = await caller.open_stream()
    stream.miss()
    await _send(caller)
    assert PATIENCE <= await _bought_once(caller) < PATIENCE + 0.5
    assert (caller.lookups, caller.missed) == (1, [1])
    assert not caller.streamed.alive, "not waited for until it shows something again"


async def test_an_end_that_is_not_whole_is_asked_for_at_once(caller: Caller) -> None:
    stream = await caller.open_stream()
    stream.whole = False
    await _send(caller)
    assert await _bought_once(caller) < 0.1
    assert (caller.lookups, caller.missed) == (1, [])


async def test_an_end_without_all_its_fees_is_booked_as_rest_has_it(caller: Caller) -> None:
    stream = await caller.open_stream()
    await _send(caller)
    _while_it_rests(
        caller, stream, lambda _, ended: stream.show(replace(ended, fee=ZERO, filled=btc("0.01")), whole=False)
    )
    await _bought_once(caller)
    assert (await caller.reports())[0].fee == caller.account.orders[0].fee > 0
    assert caller.lookups == 1


async def test_an_unclear_order_is_asked_for_at_once(caller: Caller) -> None:
    stream = await caller.open_stream()
    stream.hold()
    await _send(caller)
    caller.time.at(caller.began_at + 0.3, lambda: stream.unclear(caller.account.orders[0].venue_order_id))
    assert 0.3 <= await _bought_once(caller) <= 0.5
    assert (caller.lookups, caller.missed) == (1, [])


async def test_an_end_that_is_repeated_is_booked_once(caller: Caller) -> None:
    stream = await caller.open_stream()
    await _send(caller)
    _while_it_rests(caller, stream, lambda opened, ended: stream.show_all([opened, ended, ended, opened, ended]))
    await _bought_once(caller)
    stream.show_all(caller.account.orders)
    await asyncio.sleep(0.05)
    assert len(await caller.reports()) == 1
    assert caller.lookups == 0


def _cut(stream: FakeStream) -> Callable[[], object]:
    return stream.cut


def _gap(stream: FakeStream) -> Callable[[], object]:
    return lambda: asyncio.ensure_future(stream.gap())


@pytest.mark.parametrize("harm", [_cut, _gap])
async def test_a_stream_that_may_have_missed_the_end_is_not_awaited(
    caller: Caller, harm: Callable[[FakeStream], Callable[[], object]]
) -> None:
    stream = await caller.open_stream()
    stream.hold()
    await _send(caller)
    caller.time.at(caller.began_at + 0.3, harm(stream))
    assert 0.3 <= await _bought_once(caller) <= 0.5
    assert (caller.lookups, caller.missed) == (1, []), "an interruption is no failure to be counted"


async def test_an_end_that_was_shown_counts_although_the_stream_is_cut_since(caller: Caller) -> None:
    stream = await caller.open_stream()
    gate = caller.venue.hold("place")
    await _send(caller)
    gate.set()
    caller.venue.account.listeners.append(lambda order: stream.cut() if order.closed_at else None)
    await _bought_once(caller)
    assert caller.lookups == 0


async def test_without_a_stream_the_venue_is_asked_at_once(caller: Caller) -> None:
    stream = await caller.open_stream()
    stream.cut()
    caller.streaming.cancel()
    await _send(caller)
    assert await _bought_once(caller) < 0.1
    assert caller.lookups == 1


async def test_a_lost_answer_is_made_good_by_the_stream(caller: Caller) -> None:
    await caller.open_stream()
    caller.venue.fail("place", LOST, after_accept=True)
    await _send(caller)
    assert await _bought_once(caller) < PATIENCE
    assert caller.lookups == 0


async def test_an_order_that_the_stream_shows_open_is_never_absent(caller: Caller) -> None:
    """The lists do not show it for minutes; its name is recorded as soon as the stream has it."""
    await caller.open_stream()
    caller.account.rests, caller.account.hidden_lookups = True, 1_000_000
    caller.venue.fail("place", LOST, after_accept=True)
    order_id = await _send(caller)
    await caller.until_later(300)
    assert await caller.reports() == []
    assert (await caller.record(order_id))["venue_order_id"] == caller.account.orders[0].venue_order_id
    caller.fill()
    await _bought_once(caller)


async def test_orders_that_the_stream_shows_under_one_id_are_not_absent_although_the_lists_show_none(
    caller: Caller,
) -> None:
    """Which of them it is only REST can tell; an operator's verdict ends it otherwise."""
    stream = await caller.open_stream()
    caller.venue.fail("place", LOST)
    gate = caller.venue.hold("find")
    order_id = await _send(caller)
    await caller.until_state(order_id, OrderState.UNKNOWN)
    caller.arrive(order_id)
    shown = caller.account.orders.pop()
    for name in ("O8", "O9"):
        stream.show(replace(shown, venue_order_id=name))
    gate.set()
    await caller.until_reported(order_id)
    searches, began = caller.lookups, caller.time.steady
    await caller.until_later(300)
    assert await caller.reports() == []
    most = (caller.time.steady - began) / 30 + 1  # this time goes on while the test waits
    assert caller.lookups - searches <= most, "every half a minute: a search is dear"
    assert await caller.verdict(order_id, VerdictRecord(verdict=VerdictKind.NONE, verdict_by="ann"))
    assert (await caller.ended()).outcome is caller.nothing_filled


async def test_a_silent_stream_proves_no_absence(caller: Caller) -> None:
    """The request arrives at its last moment: an end that had been concluded earlier would buy a second time."""
    stream = await caller.open_stream()
    stream.miss()
    caller.venue.fail("place", LOST)
    order_id = await _send(caller)
    caller.time.at(caller.began_at + PROVEN_AFTER - 0.001, lambda: caller.arrive(order_id))
    await _bought_once(caller)


async def test_a_lost_request_is_ended_as_without_a_stream(caller: Caller) -> None:
    await caller.open_stream()
    caller.venue.fail("place", LOST)
    await _send(caller)
    assert (await caller.ended()).outcome is caller.nothing_filled
    assert PROVEN_AFTER <= caller.time.steady - caller.began_at < PROVEN_AFTER + 15
    assert (len(caller.account.orders), await caller.held()) == (0, ZERO)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"side": Side.SELL}, id="another side"),
        pytest.param({"client_order_id": "another"}, id="another client id"),
    ],
)
async def test_another_order_under_the_same_id_is_not_booked(caller: Caller, other: dict[str, object]) -> None:
    stream = await caller.open_stream()
    await _send(caller)
    _while_it_rests(
        caller,
        stream,
        lambda _, ended: stream.show(replace(ended, filled=btc("0.01"), **other)),  # type: ignore[arg-type]  # fields of the order
    )
    await _bought_once(caller)
    assert caller.lookups == 1


async def test_two_different_ends_are_asked_for(caller: Caller) -> None:
    stream = await caller.open_stream()
    await _send(caller)
    _while_it_rests(caller, stream, lambda _, ended: stream.show_all([replace(ended, filled=btc("0.01")), ended]))
    await _bought_once(caller)
    assert caller.lookups == 1


async def test_what_a_predecessor_sent_is_asked_for_at_once(caller: Caller) -> None:
    """Its end came before this process had a stream: waiting for it would be in vain, and no failure of the stream."""
    await caller.open_stream()
    caller.crash_point.at = caller.crash_points["reply"]
    await caller.send()
    await asyncio.wait({caller.task})
    caller.streaming.cancel()
    await caller.crash()
    await caller.start()
    await caller.open_stream()
    await caller.restart()
    caller.give(caller.streamed)
    assert caller.missed == []
    await _bought_once(caller)
    assert caller.missed == []


async def test_what_a_predecessor_sent_and_is_still_open_is_ended_by_the_stream(caller: Caller) -> None:
    await caller.open_stream()
    caller.account.rests = True
    caller.crash_point.at = caller.crash_points["reply"]
    await caller.send()
    await asyncio.wait({caller.task})
    caller.streaming.cancel()
    await caller.restart()
    await caller.open_stream()
    caller.time.at(
        caller.time.steady + 25,
        lambda: caller.account.finish(
            caller.account.orders[0].venue_order_id, Decimal(1), btc_price(60_000), btc(SIZE), caller.time.now
        ),
    )
    await _bought_once(caller)
    assert caller.missed == []


async def test_a_refused_key_is_left_alone_and_the_stream_ends_the_order(caller: Caller) -> None:
    stream = await caller.open_stream()
    caller.venue.fail("order", Rejected("EAPI:Invalid key", Refusal.AUTH))
    stream.hold()
    await _send(caller)
    await caller.until_key_refused()
    caller.count_from_here()
    if caller.task.done():
        return  # the master's session has ended with its key
    stream.release()
    await _bought_once(caller)
    assert caller.lookups == 0
