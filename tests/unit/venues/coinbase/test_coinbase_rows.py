"""Orders and fills as Coinbase writes them: what has ended, what has filled, when, and what cannot be read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.order import Side
from shared.domain.values.money import Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.answers import instant
from shared.venues.coinbase import order_rows
from shared.venues.errors import Refusal
from shared.venues.rows import OmittedRow, RowReason, TradeKind, VenueOrder, VenueOrderStatus
from tests.unit.venues.coinbase_stub import AT, FILL, ORDER, ORDER_ID

BTC = Symbol("BTC", "USD")
UNFILLED = {"filled_size": "0", "filled_value": "0", "total_fees": "0", "number_of_fills": "0", "last_fill_time": None}
EMPTY = {"filled_size": "", "filled_value": "", "total_fees": ""}
MISSING = object()


def read(**parts: Any) -> VenueOrder:
    found = order_rows.order(row(**parts))
    assert isinstance(found, VenueOrder), found
    return found


def left_out(**parts: Any) -> OmittedRow:
    found = order_rows.order(row(**parts))
    assert isinstance(found, OmittedRow)
    return found


def row(**parts: Any) -> dict[str, Any]:
    return {name: value for name, value in (ORDER | parts).items() if value is not MISSING}


def test_a_filled_order_is_read_by_its_sums() -> None:
    assert read() == VenueOrder(
        venue_order_id=ORDER_ID,
        client_order_id="mine",
        symbol=BTC,
        side=Side.BUY,
        status=VenueOrderStatus.DONE,
        filled=Quantity(Decimal("0.01"), "BTC"),
        cost=Money(Decimal(500), "USD"),
        fee=Decimal(6),
        fee_asset="USD",
        opened_at=AT - 1_377,
        closed_at=AT,
        size=Quantity(Decimal("0.01"), "BTC"),
    )


@pytest.mark.parametrize("status", ["CANCELLED", "EXPIRED", "FAILED"])
@pytest.mark.parametrize("part", [{}, UNFILLED, UNFILLED | EMPTY])
def test_an_order_that_ended_keeps_the_part_that_filled(status: str, part: dict[str, Any]) -> None:
    order = read(status=status, **part)
    assert order.status is VenueOrderStatus.DONE
    assert order.filled.amount == (0 if part else Decimal("0.01"))
    assert (order.closed_at, order.reason) == (AT, status.lower())


@pytest.mark.parametrize(
    "status",
    ["PENDING", "OPEN", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED", "UNKNOWN_ORDER_STATUS", "A_NEW_WORD", "filled", ""],
)
@pytest.mark.parametrize("part", [{}, UNFILLED, EMPTY])
def test_every_other_status_is_open_whatever_has_filled(status: str, part: dict[str, Any]) -> None:
    order = read(status=status, **part)
    assert (order.status, order.closed_at) == (VenueOrderStatus.OPEN, None)
    assert order.filled.amount == (0 if part else Decimal("0.01"))


@pytest.mark.parametrize(
    "sums",
    [
        {"filled_size": "0", "filled_value": "0", "total_fees": "0"},
        {"filled_size": "0", "filled_value": "500"},
        {"filled_size": "0.01", "filled_value": "0"},
        UNFILLED | EMPTY,
    ],
)
def test_an_order_that_reads_filled_before_its_sums_are_there_has_not_ended(sums: dict[str, Any]) -> None:
    assert read(**sums).status is VenueOrderStatus.OPEN


def test_a_cancelled_order_with_a_size_and_no_value_has_not_ended() -> None:
    assert read(status="CANCELLED", filled_value="0").status is VenueOrderStatus.OPEN


@pytest.mark.parametrize("field", ["filled_size", "filled_value", "total_fees"])
@pytest.mark.parametrize("value", [MISSING, None, "NaN", "", "1e999", "0x1", [], 0.5])
def test_a_sum_that_is_not_there_is_never_zero(field: str, value: Any) -> None:
    """An empty text counts as zero only while nothing has filled."""
    found = left_out(**{field: value})
    assert (found.row_id, found.reason, found.client_order_id) == (ORDER_ID, RowReason.UNREADABLE, "mine")
    assert found.at == AT
    assert not found.may_be("another")


@pytest.mark.parametrize("field", ["order_id", "product_id", "side", "status", "created_time"])
def test_a_row_without_what_names_it_is_left_out(field: str) -> None:
    left_out(**{field: MISSING})


def test_fee_is_never_the_field_of_that_name() -> None:
    assert read(fee="99", total_fees="1.25").fee == Decimal("1.25")


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"reject_reason": "HOLD_FAILURE", "reject_message": "no hold"}, "failed: HOLD_FAILURE: no hold"),
        ({"reject_reason": "REJECT_REASON_UNSPECIFIED", "cancel_message": "by user"}, "failed: by user"),
        ({"reject_reason": None, "reject_message": None, "cancel_message": None}, "failed"),
        ({"reject_message": "two\nlines"}, "failed: two lines"),
    ],
)
def test_why_an_order_ended_is_told(parts: dict[str, Any], reason: str) -> None:
    assert read(status="FAILED", **UNFILLED, **parts).reason == reason


@pytest.mark.parametrize(
    ("status", "reject_reason", "refusal"),
    [
        ("FAILED", "REJECT_REASON_INSUFFICIENT_FUNDS", Refusal.FUNDS),
        ("FAILED", "HOLD_FAILURE", Refusal.OTHER),
        ("CANCELLED", "", None),
        ("EXPIRED", "", None),
    ],
)
def test_an_order_refused_after_it_was_taken_is_told_from_one_that_ended(
    status: str, reject_reason: str, refusal: Refusal | None
) -> None:
    assert read(status=status, reject_reason=reject_reason, **UNFILLED).refusal is refusal


@pytest.mark.parametrize(
    ("updated", "filled", "closed_at"),
    [
        ("2026-11-22T16:00:01.5Z", "2026-11-22T16:00:01Z", AT),
        (MISSING, "2026-11-22T16:00:01.500999999Z", AT),
        (None, "2026-11-22T16:00:01.5Z", AT),
        ("", "2026-11-22T16:00:01.50Z", AT),
        ("0001-01-01T00:00:00Z", "2026-11-22T16:00:01.5Z", AT),
        ("2026-11-22T16:00:01.500+00:00", None, AT),
        (MISSING, MISSING, AT - 1_377),
    ],
)
def test_an_order_ended_when_it_last_changed_else_when_it_last_filled(
    updated: Any, filled: Any, closed_at: int
) -> None:
    assert read(last_update_time=updated, last_fill_time=filled).closed_at == closed_at


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-22T16:00:01Z", AT - 500),
        ("2026-11-22T16:00:01.5Z", AT),
        ("2026-11-22T16:00:01.50Z", AT),
        ("2026-11-22T16:00:01.5009Z", AT),
        ("2026-11-22T16:00:01.500999999Z", AT),
        ("2026-11-22T16:00:01.000000001Z", AT - 500),
    ],
)
def test_an_instant_has_up_to_nine_decimals(text: str, at: int) -> None:
    assert instant(text) == at


@pytest.mark.parametrize(
    "text", ["", "2026-11-22", "2026-11-22T16:00:01", "2026-13-22T16:00:01Z", "x", "2026-11-22T16:00:01.Z"]
)
def test_anything_else_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of several kinds
        instant(text)


@pytest.mark.parametrize("product", ["BTC-USD", "BTC-USDC"])
def test_a_product_and_its_alias_are_two_symbols(product: str) -> None:
    order = read(product_id=product)
    assert (str(order.symbol), order.fee_asset) == (product.replace("-", "/"), product[4:])


@pytest.mark.parametrize("product", ["BTC-28NOV26-CDE", "BTC-PERP-INTX", "BTC", "", "btc-usd"])
def test_what_is_no_spot_product_is_left_out_as_such(product: str) -> None:
    found = left_out(product_id=product, product_type="FUTURE")
    assert (found.reason, found.pair) == (RowReason.NOT_A_CURRENCY, product)


@pytest.mark.parametrize("kind", ["CROSS", "ISOLATED"])
def test_an_order_on_margin_is_told_apart(kind: str) -> None:
    assert read(margin_type=kind).trade is TradeKind.MARGIN
    assert read().trade is TradeKind.SPOT


@pytest.mark.parametrize("bad", ["no row", None, 5, []])
def test_a_row_that_is_no_object_may_be_any_order(bad: Any) -> None:
    (found,) = order_rows.orders([bad]).left_out
    assert found.may_be("mine")


# Fills


def test_fills_of_one_order_add_up_and_the_last_says_when() -> None:
    rows = [FILL, FILL | {"trade_id": "t2", "size": "0.005", "trade_time": "2026-11-22T16:00:01.25Z"}]
    found, strange = order_rows.fills(rows)
    assert (found[ORDER_ID].base, found[ORDER_ID].at, strange) == (Decimal("0.015"), AT - 250, [])


def test_a_fill_in_quote_is_its_size_over_its_price() -> None:
    found, _ = order_rows.fills([FILL | {"size": "500", "size_in_quote": True}])
    assert found[ORDER_ID].base == Decimal("0.01")


@pytest.mark.parametrize("kind", ["REVERSAL", "CORRECTION", "SYNTHETIC", "ANOTHER"])
def test_only_a_fill_is_a_fill(kind: str) -> None:
    assert order_rows.fills([FILL | {"trade_type": kind}]) == ({}, [])


@pytest.mark.parametrize(
    "bad",
    [FILL | {"size": "x"}, FILL | {"price": "0", "size_in_quote": True}, FILL | {"trade_time": ""}, "no row", None],
)
def test_a_fill_that_cannot_be_read_is_left_out_and_may_be_of_any_order(bad: Any) -> None:
    found, (strange,) = order_rows.fills([bad, FILL])
    assert found[ORDER_ID].base == Decimal("0.01")
    assert strange.may_be("whatever")


@pytest.mark.parametrize(
    ("base", "more"), [("0.01", False), ("0.0100000000001", False), ("0.005", False), ("0.011", True)]
)
def test_fills_exceed_an_order_by_more_than_rounding(base: str, more: bool) -> None:
    assert order_rows.exceed(order_rows.Filled(Decimal(base)), read()) is more
