"""What is told of an order, row by row: its terms from the first row, each fill once, and whole only when it is proven."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.order import Side
from shared.domain.values.symbol import Symbol
from shared.venues.kraken.streaming.orders import OrderTable
from shared.venues.rows import TradeKind, VenueOrderStatus
from shared.venues.stream import OrderSeen
from shared.venues.streaming.delivery import Unclear
from tests.unit.venues.kraken.streaming.recorded import (
    AT_MS,
    BOOK,
    BTC,
    ORDER,
    canceled,
    filled,
    first,
    new,
    trade,
)

Row = dict[str, Any]
DOGE = Symbol("DOGE", "USD")


@pytest.fixture
def table() -> OrderTable:
    return OrderTable()


def told(table: OrderTable, *rows: Row) -> OrderSeen | Unclear:
    (event,) = table.update(BOOK, rows)
    return event


def seen(table: OrderTable, *rows: Row) -> OrderSeen:
    event = told(table, *rows)
    assert isinstance(event, OrderSeen), event
    return event


def state(event: OrderSeen) -> tuple[str, str, bool]:
    return str(event.order.filled.amount), str(event.order.status), event.whole


def test_an_order_from_its_first_row_to_its_end(table: OrderTable) -> None:
    assert state(seen(table, first())) == ("0", "open", False)
    assert state(seen(table, new())) == ("0", "open", False)
    assert state(seen(table, trade(1, "0.002"))) == ("0.002", "open", False)
    assert state(seen(table, trade(2, "0.003"))) == ("0.005", "open", False)
    end = seen(table, filled("0.005", "250"))
    assert state(end) == ("0.005", "done", True)
    order = end.order
    assert (order.venue_order_id, order.client_order_id, order.symbol, order.side) == (ORDER, "mine", BTC, Side.SELL)
    assert (order.cost.amount, order.fee, order.fee_asset) == (Decimal(250), Decimal("0.2"), "USD")
    assert (order.opened_at, order.closed_at, end.filled_at) == (AT_MS, AT_MS, AT_MS)
    assert (order.trade, order.reason, order.refusal) == (TradeKind.SPOT, "", None)


def test_a_trade_row_that_says_filled_ends_the_order_when_all_that_was_asked_for_is_there(table: OrderTable) -> None:
    seen(table, first())
    assert state(seen(table, trade(1, "0.002"))) == ("0.002", "open", False)
    assert state(seen(table, trade(2, "0.003", order_status="filled"))) == ("0.005", "done", True)


def test_several_fills_of_one_message_are_one_event(table: OrderTable) -> None:
    seen(table, first())
    rows = trade(1, "0.002"), trade(2, "0.003", order_status="filled")
    assert state(seen(table, *rows)) == ("0.005", "done", True)


@pytest.mark.parametrize("rows", [[trade(1, "0.002")], [trade(1, "0.002"), trade(1, "0.002")]])
def test_a_fill_is_counted_once(table: OrderTable, rows: list[Row]) -> None:
    seen(table, first(), trade(1, "0.002"))
    assert state(seen(table, *rows)) == ("0.002", "open", False)


def test_a_filled_order_with_a_missing_fill_is_not_whole_until_the_fill_comes(table: OrderTable) -> None:
    seen(table, first(), trade(1, "0.002"))
    assert state(seen(table, filled("0.005", "250"))) == ("0.002", "done", False)
    assert state(seen(table, trade(2, "0.003"))) == ("0.005", "done", True)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([canceled("0", "0")], ("0", "done", True)),
        ([trade(1, "0.002"), canceled("0.002", "100")], ("0.002", "done", True)),
        ([trade(1, "0.002"), canceled("0.003", "150")], ("0.002", "done", False)),
        ([trade(1, "0.002"), canceled(cum_qty=None)], ("0.002", "done", False)),
        ([canceled(cum_qty=None)], ("0", "done", False)),
        ([trade(1, "0.002"), canceled("0.002", "120")], ("0.002", "done", False)),  # other costs than were seen
        ([canceled("0", "0", exec_type="expired", order_status="expired")], ("0", "done", True)),
    ],
)
def test_an_order_that_was_cancelled_is_whole_by_the_venues_sum_alone(
    table: OrderTable, rows: list[Row], expected: tuple[str, str, bool]
) -> None:
    assert state(seen(table, first(), *rows)) == expected


def test_the_reason_of_a_cancel_is_kept(table: OrderTable) -> None:
    assert seen(table, first(), canceled(reason="Post only order")).order.reason == "Post only order"


def test_what_has_ended_is_not_opened_again(table: OrderTable) -> None:
    seen(table, first(), trade(1, "0.005"), filled("0.005", "250"))
    for late in (new(), first(), trade(1, "0.005")):
        assert state(seen(table, late)) == ("0.005", "done", True)


def test_an_open_order_is_whole_where_the_venue_names_the_sum(table: OrderTable) -> None:
    assert state(seen(table, first(), trade(1, "0.002", cum_qty=Decimal("0.002")))) == ("0.002", "open", True)
    table.doubt()
    assert state(seen(table, new())) == ("0.002", "open", False)


def test_fewer_fills_than_the_venues_sum_are_not_whole_whatever_they_cost(table: OrderTable) -> None:
    rows = first(), trade(1, "0.002"), filled("0.005", "250", cum_cost=None)
    assert state(seen(table, *rows)) == ("0.002", "done", False)


def test_an_order_whose_first_row_was_not_seen_is_unclear_to_its_end(table: OrderTable) -> None:
    for row in (new(), trade(1, "0.005"), filled("0.005", "250")):
        event = told(table, row)
        assert isinstance(event, Unclear)
        assert event.venue_order_id == ORDER


def test_a_fill_that_comes_before_the_first_row_counts_when_that_is_there(table: OrderTable) -> None:
    assert isinstance(told(table, trade(1, "0.005", order_status="filled")), Unclear)
    assert state(seen(table, first())) == ("0.005", "done", False)
    assert state(seen(table, filled("0.005", "250"))) == ("0.005", "done", True)


@pytest.mark.parametrize(
    "change",
    [
        {"exec_type": "melted"},
        {"order_status": "melted"},
        {"last_qty": None},
        {"last_qty": Decimal("-1")},
        {"last_qty": Decimal(0)},
        {"exec_id": None},
        {"timestamp": "yesterday"},
        {"fees": [{"asset": "USD"}]},
        {"fees": 1},
        {"cost": "NaN"},
        {"cum_qty": Decimal("-1")},
    ],
)
def test_a_row_that_is_not_understood_as_a_whole_is_unclear_and_is_not_counted(table: OrderTable, change: Row) -> None:
    seen(table, first())
    event = told(table, trade(1, "0.002") | change)
    assert isinstance(event, Unclear)
    assert event.venue_order_id == ORDER
    assert table.left_out.keys() == {ORDER}
    assert state(seen(table, trade(2, "0.005", order_status="filled"))) == ("0.005", "done", False)


def test_a_row_without_an_id_is_named_without_one(table: OrderTable) -> None:
    seen(table, first())
    for row in (1, {}, {"order_id": "a b"}):
        (event,) = table.update(BOOK, [row])
        assert isinstance(event, Unclear)
        assert event.venue_order_id == ""


def test_one_strange_row_leaves_other_orders_of_its_message_readable(table: OrderTable) -> None:
    events = table.update(BOOK, [first("OTHER1-AAAAA-AAAAAA"), {"order_id": ORDER}])
    assert {type(event) for event in events} == {OrderSeen, Unclear}


@pytest.mark.parametrize(
    ("fees", "fee", "asset", "whole"),
    [
        ([[{"asset": "BTC", "qty": Decimal("0.00001")}]] * 2, "0.00002", "BTC", True),
        ([[{"asset": "USD", "qty": Decimal(1)}], [{"asset": "BTC", "qty": Decimal("0.1")}]], "0", "USD", False),
        ([[{"asset": "USDC", "qty": Decimal(1)}]] * 2, "0", "USD", False),
        ([[], []], "0", "USD", True),
        ([None, []], "0", "USD", False),
        ([[{"asset": "USD", "qty": Decimal(1)}, {"asset": "USD", "qty": Decimal(2)}], []], "3", "USD", True),
        ([[{"asset": "USDC", "qty": Decimal(0)}], [{"asset": "USD", "qty": Decimal(1)}]], "1", "USD", True),
    ],
)
def test_the_fees_must_be_known_and_of_one_asset(
    table: OrderTable, fees: list[Any], fee: str, asset: str, whole: bool
) -> None:
    one, two = fees
    event = seen(table, first(), trade(1, "0.002", fees=one), trade(2, "0.003", fees=two), filled("0.005", "250"))
    assert (event.whole, event.order.fee_asset) == (whole, asset)
    assert event.order.fee == Decimal(fee)


def test_fees_that_come_with_a_repetition_are_taken(table: OrderTable) -> None:
    seen(table, first(), trade(1, "0.005", fees=None))
    assert seen(table, trade(1, "0.005"), filled("0.005", "250")).whole


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (first(margin=True), TradeKind.MARGIN),
        (first(position_status="opened"), TradeKind.MARGIN),
        (first(margin=False, liquidated=False), TradeKind.SPOT),
        (first(order_type="settle-position", margin=True), TradeKind.SETTLEMENT),
        (first(cash_order_qty=Decimal(100), order_qty=None), TradeKind.SIZED_IN_QUOTE),
    ],
)
def test_what_is_no_plain_spot_order_is_marked_as_rest_marks_it(table: OrderTable, row: Row, kind: TradeKind) -> None:
    assert seen(table, row).order.trade is kind


def test_an_order_sized_in_quote_is_left_to_rest(table: OrderTable) -> None:
    rows = first(cash_order_qty=Decimal(100), order_qty=None), trade(1, "0.002"), filled("0.002", "100")
    assert state(seen(table, *rows)) == ("0.002", "done", False)


@pytest.mark.parametrize(
    "rows",
    [
        [trade(1, "0.002"), trade(1, "0.003")],
        [trade(1, "0.002"), trade(1, "0.002", fee="9")],
        [trade(1, "0.006"), filled("0.005", "250")],
        [filled("0.005", "250"), canceled("0.005", "250")],
        [first(side="buy")],
        [first(symbol="DOGE/USD")],
        [first(cl_ord_id="another")],
        [trade(1, "0.002", margin=True)],
    ],
)
def test_rows_that_contradict_one_another_are_left_to_rest(table: OrderTable, rows: list[Row]) -> None:
    assert isinstance(told(table, first(), *rows), Unclear)
    assert isinstance(told(table, new()), Unclear)


def test_a_changed_size_proves_nothing_and_the_venues_sum_does(table: OrderTable) -> None:
    amended = new() | {"exec_type": "amended", "order_qty": Decimal("0.002")}
    seen(table, first(), amended)
    assert state(seen(table, trade(1, "0.002", order_status="filled"))) == ("0.002", "done", False)
    assert state(seen(table, filled("0.002", "100"))) == ("0.002", "done", True)


def test_after_a_gap_only_the_venues_sum_proves_an_order(table: OrderTable) -> None:
    seen(table, first())
    table.doubt()
    assert state(seen(table, trade(1, "0.005", order_status="filled"))) == ("0.005", "done", False)
    assert state(seen(table, filled("0.005", "250"))) == ("0.005", "done", True)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("BTC/USD", BTC), ("XBT/USD", BTC), ("DOGE/USD", Symbol("DOGE", "USD")), ("XDG/USD", Symbol("DOGE", "USD"))],
)
def test_symbols_are_plain_whatever_the_venue_calls_them(table: OrderTable, name: str, symbol: Symbol) -> None:
    assert seen(table, first(symbol=name)).order.symbol == symbol


def test_fees_in_old_names_are_plain(table: OrderTable) -> None:
    rows = first(), trade(1, "0.005", fees=[{"asset": "XBT", "qty": Decimal("0.001")}])
    assert seen(table, *rows).order.fee_asset == "BTC"


def test_an_unknown_pair_is_left_to_rest(table: OrderTable) -> None:
    assert isinstance(told(table, first(symbol="NEW/USD")), Unclear)


def test_a_snapshot_gives_the_terms_and_the_fills_and_tells_nothing(table: OrderTable) -> None:
    opened = first(exec_type="new", order_status="partially_filled", cum_qty=Decimal("0.002"), cum_cost=Decimal(100))
    table.snapshot(BOOK, [opened, trade(1, "0.002"), trade(7, "1", order="OLDONE-AAAAA-AAAAAA", order_status="filled")])
    assert state(seen(table, trade(2, "0.003", order_status="filled"))) == ("0.005", "done", True)
    assert isinstance(told(table, trade(8, "1", order="OLDONE-AAAAA-AAAAAA")), Unclear)


def test_a_snapshot_that_lacks_fills_of_an_open_order_proves_it_by_the_final_sum_only(table: OrderTable) -> None:
    opened = first(exec_type="new", order_status="partially_filled", cum_qty=Decimal("0.002"), cum_cost=Decimal(100))
    table.snapshot(BOOK, [opened])
    assert state(seen(table, trade(2, "0.003", order_status="filled"))) == ("0.003", "done", False)
    assert state(seen(table, filled("0.005", "250"))) == ("0.003", "done", False)


def test_an_order_that_a_snapshot_no_longer_has_is_forgotten(table: OrderTable) -> None:
    seen(table, first())
    table.snapshot(BOOK, [])
    assert isinstance(told(table, trade(1, "0.005")), Unclear)


def test_an_ended_order_is_not_opened_by_a_snapshot(table: OrderTable) -> None:
    seen(table, first(), trade(1, "0.005"), filled("0.005", "250"))
    table.snapshot(BOOK, [first(exec_type="new", order_status="new", cum_qty=Decimal(0))])
    assert state(seen(table, new())) == ("0.005", "done", True)


def test_a_strange_row_of_a_snapshot_spoils_its_order_only(table: OrderTable) -> None:
    other = "OTHER1-AAAAA-AAAAAA"
    rows = [first(cum_qty=Decimal(0)), first(other, cum_qty=Decimal(0)), trade(1, "0.001") | {"fees": 1}]
    table.snapshot(BOOK, rows)
    assert isinstance(told(table, new()), Unclear)
    assert seen(table, new(other)).order.status is VenueOrderStatus.OPEN


def test_ended_orders_are_remembered_up_to_a_bound(table: OrderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.venues.kraken.streaming.orders._MOST_ENDED", 2)
    names = [f"O{n:05d}-AAAAA-AAAAAA" for n in range(3)]
    for name in names:
        seen(table, first(name), canceled(order=name))
    assert isinstance(told(table, new(names[0])), Unclear)
    assert state(seen(table, new(names[2]))) == ("0", "done", True)
