"""However the rows of orders are cut, repeated and reordered: what is called whole equals the truth, and nothing is invented.

Where no message is lost and none comes late, an order that ended is whole at its end. That is what makes it worth while.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import given, strategies as st

from shared.domain.values.money import ZERO
from shared.venues.kraken.streaming.orders import OrderTable
from shared.venues.rows import VenueOrderStatus
from shared.venues.stream import OrderSeen
from tests.unit.venues.kraken.streaming.recorded import BOOK, canceled, filled, first, new, trade

Row = dict[str, Any]
TEN_THOUSANDTH = Decimal("0.0001")


@dataclass(frozen=True)
class Story:
    """What became of one order: its rows, in order, and its sums after each of its fills."""

    order: str
    rows: tuple[Row, ...]
    sums: tuple[tuple[Decimal, Decimal, Decimal], ...]
    """Size, cost and fee after each number of fills, from none to all."""
    fills: frozenset[str]


@st.composite
def stories(draw: st.DrawFn, number: int) -> Story:
    order = f"O{number:05d}-AAAAA-AAAAAA"
    sizes = [n * TEN_THOUSANDTH for n in draw(st.lists(st.integers(1, 50), max_size=5))]
    prices = [Decimal(draw(st.integers(100, 50_000))) for _ in sizes]
    fees = [Decimal(draw(st.integers(0, 500))) / 100 for _ in sizes]
    ends_filled = bool(sizes) and draw(st.booleans())
    amended = draw(st.booleans())
    total = sum(sizes, ZERO)
    asked = total if ends_filled else total + TEN_THOUSANDTH
    with_sums = draw(st.booleans())
    rows = [first(order, str(asked + TEN_THOUSANDTH if amended else asked), cl_ord_id=f"client {number}"), new(order)]
    sums = [(ZERO, ZERO, ZERO)]
    change = draw(st.integers(0, len(sizes))) if amended else -1
    for place, (size, price, fee) in enumerate(zip(sizes, prices, fees, strict=True)):
        if place == change:
            rows.append(new(order) | {"exec_type": "amended", "order_qty": asked})
        before = sums[-1]
        sums.append((before[0] + size, before[1] + size * price, before[2] + fee))
        last = ends_filled and place == len(sizes) - 1 and draw(st.booleans())
        more: Row = {"order_status": "filled"} if last else {}
        if with_sums:
            more |= {"cum_qty": sums[-1][0], "cum_cost": sums[-1][1]}
        rows.append(trade(number * 10 + place, str(size), order=order, price=str(price), fee=str(fee), **more))
    if change == len(sizes):
        rows.append(new(order) | {"exec_type": "amended", "order_qty": asked})
    ending = filled if ends_filled else canceled
    rows.append(ending(str(sums[-1][0]), str(sums[-1][1]), order=order))
    fills = frozenset(row["exec_id"] for row in rows if row["exec_type"] == "trade")
    return Story(order, tuple(rows), tuple(sums), fills)


@st.composite
def several(draw: st.DrawFn) -> tuple[Story, ...]:
    return tuple(draw(stories(number)) for number in range(draw(st.integers(1, 3))))


@st.composite
def interleaved(draw: st.DrawFn, told: tuple[Story, ...]) -> list[Row]:
    """The rows of several orders as one stream, each order's in their sequence."""
    left = [list(story.rows) for story in told]
    stream: list[Row] = []
    while any(left):
        stream.append(draw(st.sampled_from([rows for rows in left if rows])).pop(0))
    return stream


@st.composite
def messages(draw: st.DrawFn, rows: list[Row]) -> list[list[Row]]:
    """The same rows in messages of one or more."""
    cut: list[list[Row]] = []
    while rows:
        size = draw(st.integers(1, 3))
        cut.append(rows[:size])
        rows = rows[size:]
    return cut


@st.composite
def mangled(draw: st.DrawFn, sent: list[list[Row]]) -> list[list[Row]]:
    """Some messages are lost, some come again, some late."""
    places = draw(st.lists(st.integers(0, len(sent) - 1), max_size=2 * len(sent)))
    return [sent[place] for place in places]


@given(st.data())
def test_whatever_is_lost_repeated_or_late_what_is_whole_is_true(data: st.DataObject) -> None:
    told = data.draw(several())
    truth = {story.order: story for story in told}
    sent = data.draw(messages(data.draw(interleaved(told))))
    table = OrderTable()
    for message in data.draw(mangled(sent)):
        table.doubt()  # the numbers of such messages do not follow one another: see test_sequence.py
        for event in table.update(BOOK, message):
            if not isinstance(event, OrderSeen):
                continue
            story, order = truth[event.order.venue_order_id], event.order
            assert order.filled.amount <= story.sums[-1][0]
            if event.whole:
                ended = order.status is VenueOrderStatus.DONE
                assert (order.filled.amount, order.cost.amount, order.fee) in (story.sums[-1:] if ended else story.sums)


@given(st.data())
def test_without_a_gap_every_state_is_one_that_was_and_the_end_is_whole(data: st.DataObject) -> None:
    told = data.draw(several())
    truth = {story.order: story for story in told}
    table = OrderTable()
    last: dict[str, OrderSeen] = {}
    for message in data.draw(messages(data.draw(interleaved(told)))):
        for event in table.update(BOOK, message):
            assert isinstance(event, OrderSeen)
            order = event.order
            assert (order.filled.amount, order.cost.amount, order.fee) in truth[order.venue_order_id].sums
            last[order.venue_order_id] = event
    for name, story in truth.items():
        end = last[name]
        assert end.whole
        assert (end.order.filled.amount, end.order.cost.amount, end.order.fee) == story.sums[-1]


@given(st.data())
def test_a_stream_that_was_cut_and_comes_again_with_a_snapshot_invents_nothing(data: st.DataObject) -> None:
    told = data.draw(several())
    truth = {story.order: story for story in told}
    sent = data.draw(messages(data.draw(interleaved(told))))
    cut_at, back_at = sorted(data.draw(st.tuples(st.integers(0, len(sent)), st.integers(0, len(sent)))))
    table = OrderTable()
    events = [event for message in sent[:cut_at] for event in table.update(BOOK, message)]
    table.doubt()
    past = [row for message in sent[:back_at] for row in message]
    table.snapshot(BOOK, _snapshot(past))
    events += [event for message in sent[back_at:] for event in table.update(BOOK, message)]
    for event in events:
        if isinstance(event, OrderSeen) and event.whole and event.order.status is VenueOrderStatus.DONE:
            sums = truth[event.order.venue_order_id].sums[-1]
            assert (event.order.filled.amount, event.order.cost.amount, event.order.fee) == sums
        if isinstance(event, OrderSeen):
            sums_of = truth[event.order.venue_order_id].sums
            assert event.order.filled.amount <= sums_of[-1][0]
            if event.whole:
                assert (event.order.filled.amount, event.order.cost.amount, event.order.fee) in sums_of


def _snapshot(past: list[Row]) -> list[Row]:
    """What the venue shows of these rows: open orders with their sums, and the last three fills."""
    trades = [row for row in past if row["exec_type"] == "trade"]
    ended = {row["order_id"] for row in past if row["order_status"] in {"filled", "canceled"}}
    opened = []
    for row in past:
        if row["exec_type"] != "pending_new" or row["order_id"] in ended:
            continue
        of = [each for each in trades if each["order_id"] == row["order_id"]]
        sizes = [each["order_qty"] for each in past if each["order_id"] == row["order_id"] and "order_qty" in each]
        done = sum((each["last_qty"] for each in of), ZERO), sum((each["cost"] for each in of), ZERO)
        words = {"exec_type": "new", "order_status": "partially_filled" if of else "new", "order_qty": sizes[-1]}
        opened.append(row | words | {"cum_qty": done[0], "cum_cost": done[1]})
    return opened + trades[-3:]
