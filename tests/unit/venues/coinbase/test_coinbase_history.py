"""The lists of orders, united: no ended order is missing, and none is absent because a list was cut or a row unreadable."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from shared.venues.answers import instant
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.rows import RowReason, VenueOrderStatus
from tests.unit.venues.coinbase_stub import AT, FILL, ORDER, ORDER_ID, CoinbaseStub, fills, orders, reply
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken_stub import Arrived, Raw

UNFILLED = {"filled_size": "0", "filled_value": "0", "total_fees": "0", "number_of_fills": "0", "last_fill_time": None}

PART = {"filled_size": "0.004", "filled_value": "200", "total_fees": "2.4"}


def order_of(number: int, **parts: Any) -> dict[str, Any]:
    return ORDER | {"order_id": f"o{number}", "client_order_id": f"c{number}"} | parts


def queries(stub: CoinbaseStub, method: str) -> list[dict[str, list[str]]]:
    return [parse_qs(request.query) for request in stub.sent(method)]


def no_singular(requests: list[Arrived]) -> bool:
    """Return whether no query has a parameter that the venue takes and ignores (COINBASE.md, C1)."""
    return not any({"order_id", "product_id", "client_order_id"} & parse_qs(each.query).keys() for each in requests)


# One order


async def test_an_order_that_filled_whole_needs_no_second_question(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer(ORDER_ID, reply({"order": ORDER}))
    assert (await venue.order(ORDER_ID)).status is VenueOrderStatus.DONE
    assert [request.path for request in stub.requests] == [f"/api/v3/brokerage/orders/historical/{ORDER_ID}"]


@pytest.mark.parametrize("status", ["CANCELLED", "FILLED", "EXPIRED", "FAILED"])
async def test_an_order_whose_fills_say_more_than_it_does_has_not_ended(
    venue: CoinbaseVenue, stub: CoinbaseStub, status: str
) -> None:
    part = {"filled_size": "0.004", "filled_value": "200"} if status == "FILLED" else UNFILLED
    stub.answer(ORDER_ID, *[reply({"order": ORDER | {"status": status} | part})] * 2)
    stub.answer("fills", fills(FILL), fills())
    order = await venue.order(ORDER_ID)
    assert order.status is VenueOrderStatus.OPEN
    assert (await venue.order(ORDER_ID)).status is VenueOrderStatus.DONE
    assert [query["order_ids"] for query in queries(stub, "fills")] == [[ORDER_ID]] * 2
    assert no_singular(stub.requests)


@pytest.mark.parametrize(
    ("status", "age", "parts", "final"),
    [
        ("CANCELLED", 0.0, UNFILLED, False),
        ("CANCELLED", 3.1, UNFILLED, True),
        ("CANCELLED", 0.0, PART, False),
        ("EXPIRED", 0.0, PART, False),
        ("FAILED", 0.0, UNFILLED, False),
        ("FILLED", 0.0, PART, False),
        ("FILLED", 3.1, PART, True),
        ("FILLED", 0.0, {}, True),
        ("CANCELLED", 0.0, {}, True),
        ("FILLED", 0.0, {"order_configuration": {"market_market_ioc": {"quote_size": "500"}}}, True),
        ("CANCELLED", 0.0, {"order_configuration": {"market_market_ioc": {"quote_size": "500"}}}, False),
    ],
)
async def test_an_order_that_ended_lately_with_less_than_it_asked_for_may_have_filled_more(
    venue: CoinbaseVenue, stub: CoinbaseStub, status: str, age: float, parts: dict[str, Any], *, final: bool
) -> None:
    """A status can be ahead of its sums and of the list of fills: only time tells them from those of one that filled less."""
    at = datetime.fromtimestamp(now() / 1000 - age, UTC).isoformat()
    row = ORDER | {"status": status, "last_update_time": at, "last_fill_time": None} | parts
    stub.answer(ORDER_ID, reply({"order": row}))
    stub.answer("fills", *[fills()] * 3)
    order = await venue.order(ORDER_ID)
    assert order.status is (VenueOrderStatus.DONE if final else VenueOrderStatus.OPEN)
    assert order.closed_at == instant(at)
    stub.answer("batch", orders(row), orders(), orders(row), orders())
    ended = await venue.closed_orders(since=AT)
    assert len(ended) == final
    assert [row.reason for row in ended.left_out] == ([] if final else [RowReason.UNSETTLED])


async def test_an_order_that_is_not_shown_is_gone_and_one_of_another_id_is_no_answer(
    venue: CoinbaseVenue, stub: CoinbaseStub
) -> None:
    with pytest.raises(Rejected) as told:
        await venue.order(ORDER_ID)
    assert told.value.refusal is Refusal.GONE
    for answer in ({"order": order_of(1)}, {"order": None}, {}, {"order": ORDER | {"filled_size": "?"}}):
        stub.answer(ORDER_ID, *[reply(answer)] * 3)
        with pytest.raises(Unavailable):
            await venue.order(ORDER_ID)


# Search by client id


async def test_an_order_is_found_among_all_of_its_time(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("batch", orders(order_of(1), order_of(2), has_next=True, cursor="next"), orders(order_of(3), ORDER))
    found = await venue.find("mine", since=AT)
    assert found is not None
    assert found.venue_order_id == ORDER_ID
    first, second = queries(stub, "batch")
    assert instant(first["start_date"][0]) == AT - 60_000
    assert (second["cursor"], second["start_date"]) == (["next"], first["start_date"])
    assert no_singular(stub.requests)


async def test_an_absence_is_believed_after_two_scans_and_the_fills(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("batch", orders(order_of(1)), orders(order_of(1)))
    assert await venue.find("mine", since=AT) is None
    assert [request.method for request in stub.requests] == ["batch", "batch", "fills"]


async def test_an_order_that_only_the_second_scan_shows_is_found(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("batch", orders(), orders(ORDER))
    assert (await venue.find("mine", since=AT)) is not None


async def test_an_order_that_only_its_fills_show_is_found(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("batch", orders(), orders(), orders(ORDER))
    stub.answer("fills", fills(FILL))
    assert (await venue.find("mine", since=AT)) is not None
    assert queries(stub, "batch")[2]["order_ids"] == [ORDER_ID]


@pytest.mark.parametrize("strange", [FILL, FILL | {"order_id": 5}, "no row"])
async def test_a_fill_without_an_order_may_be_the_order_s(
    venue: CoinbaseVenue, stub: CoinbaseStub, strange: Any
) -> None:
    stub.answer("fills", fills(strange))
    with pytest.raises(Unavailable):
        await venue.find("mine", since=AT)


async def test_a_fill_that_cannot_be_read_of_an_order_that_is_shown_hides_nothing(
    venue: CoinbaseVenue, stub: CoinbaseStub
) -> None:
    stub.answer("batch", orders(order_of(1)), orders(order_of(1)))
    stub.answer("fills", fills(FILL | {"order_id": "o1", "size": "?"}))
    assert await venue.find("mine", since=AT) is None


async def test_a_search_that_need_not_be_a_proof_costs_one_call(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    began = now()
    assert await venue.find("mine", since=None) is None
    (query,) = queries(stub, "batch")
    assert began - 700_000 <= instant(query["start_date"][0]) <= now() - 600_000


@pytest.mark.parametrize("since", [AT, None])
@pytest.mark.parametrize("bad", [ORDER | {"filled_size": "?"}, {"client_order_id": "mine"}, {"x": 1}, "no row", None])
async def test_a_row_that_may_be_it_is_never_an_absence(
    venue: CoinbaseVenue, stub: CoinbaseStub, bad: Any, since: int | None
) -> None:
    stub.answer("batch", orders(order_of(1), bad))
    with pytest.raises(Unavailable):
        await venue.find("mine", since=since)


@pytest.mark.parametrize(
    "page",
    [
        orders(order_of(1), has_next=True, cursor=""),
        orders(order_of(1), has_next=True, cursor="stuck"),
        orders(order_of(1), has_next="yes", cursor="x"),
        reply({"has_next": False, "cursor": ""}),
        reply({"orders": {"o1": {}}, "has_next": False}),
    ],
)
async def test_a_list_without_its_end_proves_nothing(venue: CoinbaseVenue, stub: CoinbaseStub, page: Raw) -> None:
    stub.answer("batch", *[page] * 9)
    with pytest.raises(Unavailable):
        await venue.find("mine", since=AT)


@pytest.mark.parametrize("answer", [Raw(b"", 500), Raw(b"Unauthorized", 401), Raw(b"<html>", 429), Raw(b"{", 200)])
async def test_a_search_that_fails_once_is_asked_again(venue: CoinbaseVenue, stub: CoinbaseStub, answer: Raw) -> None:
    stub.answer("batch", answer, orders(ORDER))
    assert (await venue.find("mine", since=AT)) is not None


async def test_of_two_orders_with_one_id_the_filled_one_counts(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    twin = order_of(1, client_order_id="mine", status="CANCELLED", created_time="2026-11-23T00:00:00Z", **UNFILLED)
    stub.answer("batch", orders(twin, ORDER))
    found = await venue.find("mine", since=AT)
    assert found is not None
    assert found.venue_order_id == ORDER_ID


# Open orders


async def test_open_orders_are_the_listed_ones_and_fresh_ones_of_any_open_status(
    venue: CoinbaseVenue, stub: CoinbaseStub
) -> None:
    old = order_of(1, status="OPEN", created_time="2020-01-01T00:00:00Z", **UNFILLED)
    fresh = [
        order_of(2, status="PENDING", **UNFILLED),
        order_of(3),
        order_of(1, status="FILLED"),
        order_of(4, filled_size="0"),
    ]
    stub.answer("batch", orders(old, "no row"), orders(*fresh))
    began = now()
    found = await venue.open_orders()
    assert [order.venue_order_id for order in found] == ["o2", "o4"]  # o1 has ended in between; o4 has no sums yet
    assert len(found.left_out) == 1
    listed, created = queries(stub, "batch")
    assert listed["order_status"] == ["OPEN"]
    assert "start_date" not in listed
    assert "order_status" not in created
    assert began - 3_600_100 <= instant(created["start_date"][0]) <= now() - 3_600_000


# Ended orders


async def test_ended_orders_are_united_each_once_and_the_oldest_comes_first(
    venue: CoinbaseVenue, stub: CoinbaseStub
) -> None:
    early = order_of(1, last_update_time="2026-11-22T16:00:00Z", last_fill_time="2026-11-22T16:00:00Z")
    resting = order_of(2, status="OPEN", **UNFILLED)
    cancelled = order_of(
        3, status="CANCELLED", created_time="2020-01-01T00:00:00Z", last_update_time="2026-11-22T16:00:03Z", **UNFILLED
    )
    old = order_of(4, created_time="2020-01-01T00:00:00Z", last_update_time=None, last_fill_time="2026-11-22T16:00:02Z")
    stub.answer("batch", orders(ORDER, resting, early), orders(cancelled, ORDER), orders(old))
    stub.answer("fills", fills(FILL | {"order_id": "o4", "trade_time": "2026-11-22T16:00:02Z"}, FILL))
    ended = await venue.closed_orders(since=AT - 5_000)
    assert [order.venue_order_id for order in ended] == ["o1", ORDER_ID, "o4", "o3"]
    assert ended.left_out == ()
    created, changed, named = queries(stub, "batch")
    assert instant(created["start_date"][0]) == AT - 65_000
    assert changed["sort_by"] == ["LAST_UPDATE_TIME"]
    assert named["order_ids"] == ["o4"]
    assert instant(queries(stub, "fills")[0]["start_sequence_timestamp"][0]) == AT - 65_000
    assert no_singular(stub.requests)


async def test_what_ended_before_is_not_told_again(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("batch", orders(ORDER, order_of(1, filled_size="?")))
    found = await venue.closed_orders(since=AT + 1)
    assert (list(found), found.left_out) == ([], ())


async def test_an_order_with_a_fill_since_has_ended_since_whatever_its_own_times_say(
    venue: CoinbaseVenue, stub: CoinbaseStub
) -> None:
    stub.answer("batch", orders(), orders(), orders(ORDER | {"last_update_time": None, "last_fill_time": None}))
    stub.answer("fills", fills(FILL | {"trade_time": "2026-11-22T16:00:04Z"}))
    (found,) = await venue.closed_orders(since=AT)
    assert found.closed_at == AT + 2_500


async def test_the_list_by_change_is_read_only_until_it_is_old_enough(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    older = order_of(1, last_update_time="2020-01-01T00:00:00Z", last_fill_time=None)
    nameless = order_of(2, last_update_time=None, last_fill_time=None, created_time="2020-01-01T00:00:00Z")
    for last in (older, nameless):
        stub.requests.clear()
        stub.answer(
            "batch", orders(), orders(ORDER, has_next=True, cursor="a"), orders(last, has_next=True, cursor="b")
        )
        assert len(await venue.closed_orders(since=AT)) == 1
        assert len(stub.sent("batch")) == 3


async def test_an_order_whose_fills_say_more_is_left_out_and_may_be_only_itself(
    venue: CoinbaseVenue, stub: CoinbaseStub
) -> None:
    late = ORDER | {"status": "CANCELLED"} | UNFILLED
    stub.answer("batch", orders(late, order_of(1)), orders())
    stub.answer("fills", fills(FILL, FILL | {"order_id": "unseen", "trade_id": "t2"}))
    found = await venue.closed_orders(since=0)
    assert [order.venue_order_id for order in found] == ["o1"]
    assert {each.row_id: each.may_be("mine") for each in found.left_out} == {ORDER_ID: True, "unseen": True}
    assert {each.row_id: each.may_be("c1") for each in found.left_out} == {ORDER_ID: False, "unseen": True}


async def test_fills_go_on_until_there_is_no_cursor(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("batch", orders(), orders(), orders(order_of(1), order_of(2)))
    stub.answer("fills", fills(FILL | {"order_id": "o1"}, cursor="more"), fills(FILL | {"order_id": "o2"}))
    assert [order.venue_order_id for order in await venue.closed_orders(since=0)] == ["o2", "o1"]
    assert queries(stub, "fills")[1]["cursor"] == ["more"]


@pytest.mark.parametrize("last", [fills(), fills(cursor="again")])
async def test_an_empty_page_of_fills_is_the_last(venue: CoinbaseVenue, stub: CoinbaseStub, last: Raw) -> None:
    stub.answer("fills", fills(FILL | {"order_id": "o1"}, cursor="more"), last)
    stub.answer("batch", orders(), orders(), orders(order_of(1)))
    assert len(await venue.closed_orders(since=0)) == 1
    assert len(stub.sent("fills")) == 2


async def test_fills_that_come_around_again_prove_nothing(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("fills", *[fills(FILL, cursor="again")] * 9)
    with pytest.raises(Unavailable, match="goes on without a next page"):
        await venue.closed_orders(since=0)


async def test_many_orders_behind_fills_are_named_in_several_calls(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    many = [f"o{number:03}" for number in range(120)]
    stub.answer("fills", fills(*[FILL | {"order_id": each} for each in many]))
    stub.answer("batch", orders(), orders(), *[orders()] * 3)
    found = await venue.closed_orders(since=0)
    assert [len(query["order_ids"]) for query in queries(stub, "batch")[2:]] == [50, 50, 20]
    assert len(found.left_out) == 120
