"""What is told of an order of Coinbase: cumulative rows, whole only at the end of everything that was asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shared.domain.order import Side
from shared.domain.values.symbol import Symbol
from shared.venues.coinbase import parse
from shared.venues.coinbase.streaming.orders import OrderTable
from shared.venues.coinbase.streaming.products import OrderProducts
from shared.venues.errors import Refusal
from shared.venues.rows import TradeKind
from shared.venues.stream import OrderSeen
from shared.venues.streaming.delivery import Unclear
from tests.unit.venues.coinbase.streaming.recorded import AT_MS, OPENED_MS, ORDER, row
from tests.unit.venues.coinbase_stub import PRODUCT

Row = dict[str, Any]
ETH = Symbol("ETH", "USD")


def make_table(products: OrderProducts | None = None) -> OrderTable:
    ambiguous = parse.with_aliases([PRODUCT])
    return OrderTable(products or OrderProducts(), ambiguous.__contains__)


@pytest.fixture
def table() -> OrderTable:
    return make_table()


def told(table: OrderTable, *rows: Row, at: int = AT_MS) -> OrderSeen | Unclear:
    event: OrderSeen | Unclear
    (event,) = table.update(rows, at)
    return event


def seen(table: OrderTable, *rows: Row, at: int = AT_MS) -> OrderSeen:
    event = told(table, *rows, at=at)
    assert isinstance(event, OrderSeen), event
    return event


def state(event: OrderSeen) -> tuple[str, str, bool]:
    return str(event.order.filled.amount), str(event.order.status), event.whole


def test_an_order_from_its_first_row_to_its_end(table: OrderTable) -> None:
    assert state(seen(table, row("PENDING", "0", "0.03"), at=1)) == ("0", "open", False)
    assert state(seen(table, row("OPEN", "0.01", "0.02", fee="6"), at=2)) == ("0.01", "open", False)
    end = seen(table, row("FILLED", "0.03", fee="18"), at=3)
    assert state(end) == ("0.03", "done", True)
    order = end.order
    assert (order.venue_order_id, order.client_order_id, order.symbol, order.side) == (ORDER, "mine", ETH, Side.BUY)
    assert (order.cost.amount, order.fee, order.fee_asset) == (Decimal(1500), Decimal(18), "USD")
    assert (order.opened_at, order.closed_at, end.filled_at) == (OPENED_MS, 3, 3)
    assert (order.trade, order.reason, order.refusal) == (TradeKind.SPOT, "", None)


def test_an_end_that_is_seen_alone_is_not_proven(table: OrderTable) -> None:
    assert state(seen(table, row("FILLED", "0.03", fee="18"))) == ("0.03", "done", False)


@pytest.mark.parametrize(
    "end",
    [
        row("FILLED", "0.02", fee="12"),  # the sums lag
        row("FILLED", "0.03", fee="18", total_fees=""),
        row("FILLED", "0.03", fee="18", filled_value="1000"),  # of another moment than the size
        row("FILLED", "0.03", fee="18", total_fees="12"),
        row("FILLED"),
        row("CANCELLED", "0.02", fee="12"),
        row("CANCELLED", "0.02", "0.01", fee="12"),
        row("CANCELLED"),
        row("EXPIRED"),
        row("FAILED", reject_reason="HOLD_FAILURE"),
    ],
)
def test_an_end_that_proves_nothing_is_left_to_rest(table: OrderTable, end: Row) -> None:
    seen(table, row("OPEN", "0", "0.03"))
    event = seen(table, end)
    assert (event.order.status, event.whole) == ("done", False)


def test_a_cancelled_order_that_has_filled_as_a_whole_is_whole(table: OrderTable) -> None:
    seen(table, row("OPEN", "0", "0.03"))
    assert state(seen(table, row("CANCELLED", "0.03", fee="18"))) == ("0.03", "done", True)


def test_sums_that_come_after_the_end_complete_it(table: OrderTable) -> None:
    seen(table, row("PENDING", "0", "0.03"))
    assert state(seen(table, row("FILLED"))) == ("0", "done", False)
    assert state(seen(table, row("FILLED", "0.03", fee="18"))) == ("0.03", "done", True)


def test_an_older_row_changes_nothing(table: OrderTable) -> None:
    seen(table, row("OPEN", "0", "0.03"))
    seen(table, row("OPEN", "0.02", "0.01", fee="12"))
    assert state(seen(table, row("OPEN", "0.01", "0.02", fee="6"))) == ("0.02", "open", False)
    seen(table, row("FILLED", "0.03", fee="18"))
    assert state(seen(table, row("OPEN", "0.02", "0.01", fee="12"))) == ("0.03", "done", True)


def test_an_order_whose_size_was_changed_is_left_to_rest(table: OrderTable) -> None:
    seen(table, row("OPEN", "0", "0.03"))
    seen(table, row("OPEN", "0", "0.02"))
    assert state(seen(table, row("FILLED", "0.02", fee="12"))) == ("0.02", "done", False)


@pytest.mark.parametrize(
    "rows",
    [
        [row("CANCELLED"), row("FILLED", "0.03", fee="18")],
        [row("OPEN", "0.02", "0.01", fee="12"), row("CANCELLED", "0.01", fee="6")],
        [row("OPEN", "0", "0.03", order_side="SELL")],
        [row("OPEN", "0", "0.03", product_id="SOL-USD")],
        [row("OPEN", "0", "0.03", client_order_id="another")],
    ],
)
def test_rows_that_contradict_one_another_are_left_to_rest(table: OrderTable, rows: list[Row]) -> None:
    seen(table, row("OPEN", "0", "0.03"))
    assert isinstance(told(table, *rows), Unclear)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "MELTED"},
        {"status": None},
        {"order_side": "HOLD"},
        {"cumulative_quantity": "x"},
        {"cumulative_quantity": "-1"},
        {"filled_value": "", "number_of_fills": "1"},
        {"creation_time": ""},
        {"client_order_id": 5},
        {"leaves_quantity": "x"},
        {"product_id": None},
    ],
)
def test_a_row_that_is_not_understood_as_a_whole_is_unclear(table: OrderTable, change: Row) -> None:
    event = told(table, row("OPEN", "0.01", "0.02", fee="6") | change)
    assert isinstance(event, Unclear)
    assert event.venue_order_id == ORDER


@pytest.mark.parametrize("strange", [1, {}, {"order_id": "a b"}, {"order_id": 5}])
def test_a_row_without_an_id_is_named_without_one(table: OrderTable, strange: Any) -> None:
    assert told(table, strange) == Unclear("", table.left_out[""])


def test_a_canonical_product_is_not_believed_to_be_the_orders_own() -> None:
    products = OrderProducts()
    table = make_table(products)
    first = row("OPEN", "0", "0.03", product_id="BTC-USD")
    assert isinstance(told(table, first), Unclear)
    products.listed({"order_id": ORDER, "product_id": "BTC-USDC"})
    event = seen(table, first)
    assert (event.order.symbol, event.order.cost.currency, event.order.fee_asset) == (
        Symbol("BTC", "USDC"),
        "USDC",
        "USDC",
    )


def test_an_order_of_our_own_is_known_by_its_client_id() -> None:
    products = OrderProducts()
    products.placed({"client_order_id": "mine", "product_id": "BTC-USD"})
    assert seen(make_table(products), row("OPEN", "0", "0.03", product_id="BTC-USD")).order.symbol == Symbol(
        "BTC", "USD"
    )


def test_an_aliases_own_name_is_clear(table: OrderTable) -> None:
    assert seen(table, row("OPEN", "0", "0.03", product_id="BTC-USDC")).order.symbol == Symbol("BTC", "USDC")


def test_products_are_forgotten_beyond_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.venues.coinbase.streaming.products._MOST", 2)
    products = OrderProducts()
    for number in range(3):
        products.listed({"order_id": f"{number}", "product_id": "BTC-USDC"})
    products.listed(None)
    products.placed({"client_order_id": "", "product_id": "BTC-USDC"})
    assert [products.of(f"{number}", "") for number in range(3)] == [None, "BTC-USDC", "BTC-USDC"]


@pytest.mark.parametrize("change", [{"product_type": "FUTURE"}, {"margin_type": "CROSS"}])
def test_what_is_no_plain_spot_order_is_marked(table: OrderTable, change: Row) -> None:
    assert seen(table, row("OPEN", "0", "0.03") | change).order.trade is TradeKind.MARGIN


def test_a_failed_order_names_its_reason_and_family(table: OrderTable) -> None:
    order = seen(table, row("FAILED", reject_reason="REJECT_REASON_INSUFFICIENT_FUNDS")).order
    assert (order.reason, order.refusal) == ("failed: REJECT_REASON_INSUFFICIENT_FUNDS", Refusal.FUNDS)


def test_a_snapshot_gives_the_size_and_says_nothing_of_when_something_filled(table: OrderTable) -> None:
    table.snapshot([row("OPEN", "0.01", "0.02", fee="6")], 1)
    assert seen(table, row("OPEN", "0.01", "0.02", fee="6"), at=2).filled_at is None
    end = seen(table, row("FILLED", "0.03", fee="18"), at=3)
    assert (end.whole, end.filled_at) == (True, 3)


SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=5)


@given(SIZES, st.sampled_from(["FILLED", "CANCELLED", "EXPIRED"]), st.data())
def test_whatever_is_lost_repeated_or_late_what_is_whole_is_true(
    sizes: list[int], end: str, data: st.DataObject
) -> None:
    rest = 0 if end == "FILLED" else data.draw(st.integers(0, 3))
    asked = sum(sizes) + rest
    price = Decimal(data.draw(st.integers(1, 60_000)))
    sent = [row("PENDING", "0", f"{asked}", price=str(price))]
    for count in range(1, len(sizes) + 1):
        done = sum(sizes[:count])
        sent.append(row("OPEN", f"{done}", f"{asked - done}", price=str(price), fee=f"{done}"))
    lags = data.draw(st.integers(0, len(sizes)))  # the last row may show fewer fills than there were
    shown = (sum(sizes[: len(sizes) - lags]), sum(sizes))
    sent += [row(end, f"{done}", price=str(price), fee=f"{done}") for done in shown]
    table = make_table()
    for place in data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=2 * len(sent))):
        event = told(table, sent[place])
        if isinstance(event, OrderSeen):
            assert event.order.filled.amount <= sum(sizes)
            if event.whole:
                total = Decimal(sum(sizes))
                assert (event.order.filled.amount, event.order.cost.amount, event.order.fee) == (
                    total,
                    total * price,
                    total,
                )
                assert str(event.order.status) == "done"
