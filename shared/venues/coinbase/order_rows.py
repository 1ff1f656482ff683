"""Coinbase's orders and fills as values of the port. One row that cannot be read leaves the others readable.

`success` and a status say nothing of fills: only `filled_size` counts as traded, all sums are in the quote, and the fee is
`total_fees`. Fills are the truth: an order that says less than its fills has not ended. Sources: COINBASE.md, C12 to C15.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from shared.domain.order import Side
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.answers import UNREADABLE, decimal, instant
from shared.venues.coinbase.errors import family
from shared.venues.coinbase.parse import SPOT, symbol_of
from shared.venues.errors import presentable
from shared.venues.rows import OmittedRow, OrderList, RowReason, TradeKind, VenueOrder, VenueOrderStatus

ENDED: Final = frozenset({"FILLED", "CANCELLED", "EXPIRED", "FAILED"})
"""The statuses after which nothing fills; with all others, new ones included, an order is still open (C14)."""
_FILLED: Final = "FILLED"
_REFUSED_LATER: Final = "FAILED"
"""Taken with `success: true`, and refused by the engine behind it (C9, C14)."""
_RESTS: Final = "limit_limit_gtc"
_NEVER: Final = "0001-"
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_FILL: Final = "FILL"
_ROUNDED: Final = Decimal("1.000001")
"""A size in quote over its price is rounded."""
_NO_REASON: Final = "REJECT_REASON_UNSPECIFIED"


def orders(rows: Sequence[Mapping[str, Any]]) -> OrderList:
    """Parse rows of orders; one that cannot be read is in `left_out`."""
    read = [order(row) for row in rows]
    return OrderList(
        (each for each in read if isinstance(each, VenueOrder)), (each for each in read if isinstance(each, OmittedRow))
    )


def order(row: Mapping[str, Any]) -> VenueOrder | OmittedRow:
    """Parse one order. One that reads FILLED before its sums are there is still open: nothing is booked from it (C14)."""
    try:
        return _order(row)
    except UNREADABLE as error:
        return _omitted(row, error)


def _order(row: Mapping[str, Any]) -> VenueOrder:
    symbol = symbol_of(row["product_id"])
    status = str(row["status"])
    ended = status in ENDED
    filled, cost, fee = (_sum(row, name, ended=ended) for name in ("filled_size", "filled_value", "total_fees"))
    if min(filled, cost) < 0 or not is_id(row["order_id"]):
        raise ValueError("not an order")
    done = ended and (filled == 0) == (cost == 0) and (status != _FILLED or filled > 0)
    opened_at = instant(row["created_time"])
    size, limit, rests, post_only = _terms(row, symbol)
    return VenueOrder(
        venue_order_id=row["order_id"],
        client_order_id=_client_id(row) or "",
        symbol=symbol,
        side=Side(str(row["side"]).lower()),
        status=VenueOrderStatus.DONE if done else VenueOrderStatus.OPEN,
        filled=Quantity(filled, symbol.base),
        cost=Money(cost, symbol.quote),
        fee=fee,
        fee_asset=symbol.quote,
        opened_at=opened_at,
        closed_at=ended_at(row) or opened_at if ended else None,
        reason=_reason(row) if status != _FILLED else "",
        trade=TradeKind.MARGIN if _on_margin(row) else TradeKind.SPOT,
        refusal=family(_reason(row)) if done and status == _REFUSED_LATER else None,
        size=size,
        limit_price=limit,
        rests=rests,
        post_only=post_only,
    )


def _terms(row: Mapping[str, Any], symbol: Symbol) -> tuple[Quantity | None, Price | None, bool, bool]:
    """Return what was asked for: size, limit, whether it rests, whether it is post-only; the last edit counts (C30).

    What cannot be read is not known: it hides no fill.
    """
    try:
        kind, fields = configuration(row)
        changes = row.get("edit_history") or []
        last = changes[-1] if changes else {}
        size = Quantity(decimal(last.get("size") or fields["base_size"]), symbol.base)
        if kind != _RESTS:
            return size, None, False, False
        limit = Price(decimal(last.get("price") or fields["limit_price"]), symbol)
    except UNREADABLE:
        return None, None, False, False
    return size, limit, True, fields.get("post_only") in (True, "true")


def is_id(value: object) -> bool:
    """Return whether this can be an order's id: it goes into records, log lines and the paths of further requests."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _sum(row: Mapping[str, Any], name: str, *, ended: bool) -> Decimal:
    """Parse a sum of an order. A missing one is never zero; an empty one is before anything has filled."""
    text = row[name]
    if text == "" and (not ended or row.get("number_of_fills") in {"0", 0}):
        return Decimal(0)
    return decimal(text)


def is_whole(row: Mapping[str, Any], filled: Decimal) -> bool:
    """Return whether an order has filled all the base that it asked for; False if that cannot be told."""
    asked = _asked(row)
    return asked is not None and 0 < asked <= filled


def may_rise(row: Mapping[str, Any], filled: Decimal) -> bool:
    """Return whether an order that has just ended may turn out to have filled more: its status can be ahead of its sums (C14)."""
    if _asked(row) is None and row["status"] == _FILLED:
        return False  # asked for in quote: its base is not known
    return not is_whole(row, filled)


def _asked(row: Mapping[str, Any]) -> Decimal | None:
    """Return the base that an order asks for; None if that is not known."""
    try:
        _, fields = configuration(row)
        return decimal(fields["base_size"])
    except UNREADABLE:
        return None


@dataclass(slots=True)
class Filled:
    """What the fills of one order sum up to."""

    base: Decimal = Decimal(0)
    at: int = 0
    """When the last of them was, epoch ms."""


def fills(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Filled], list[OmittedRow]]:
    """Return what was filled by the order's id, and the rows that cannot be read. Rows of other kinds are no fills (C13)."""
    found: dict[str, Filled] = {}
    left_out = []
    for row in rows:
        try:
            if row.get("trade_type", _FILL) != _FILL:
                continue
            size, at = decimal(row["size"]), instant(row["trade_time"])
            if row.get("size_in_quote") is True:
                size /= decimal(row["price"])
            of_order = found.setdefault(row["order_id"], Filled())
        except UNREADABLE as error:
            left_out.append(_omitted(row, error))
        else:
            of_order.base, of_order.at = of_order.base + size, max(of_order.at, at)
    return found, left_out


def exceed(filled: Filled, order: VenueOrder) -> bool:
    """Return whether fills sum up to more than their order says: its sums are late (C14)."""
    return filled.base > order.filled.amount * _ROUNDED


def ended_at(row: Mapping[str, Any]) -> int | None:
    """Return when an order last changed: no field says when it ended (C15). None if not even that is there."""
    known = [text for name in ("last_update_time", "last_fill_time") if (text := row.get(name)) and text[:5] != _NEVER]
    return max(map(instant, known)) if known else None


def configuration(row: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the kind of an order and its fields. Raises ValueError unless there is exactly one."""
    ((kind, fields),) = dict(row["order_configuration"]).items()
    return str(kind), dict(fields)


def _on_margin(row: Mapping[str, Any]) -> bool:
    return str(row.get("margin_type") or "") in {"CROSS", "ISOLATED"} or str(row.get("product_type", "")) not in SPOT


def _reason(row: Mapping[str, Any]) -> str:
    named = str(row.get("reject_reason") or "")
    said = [
        str(row.get("status")).lower(),
        "" if named == _NO_REASON else named,
        *(str(row.get(name) or "") for name in ("reject_message", "cancel_message")),
    ]
    return presentable(": ".join(dict.fromkeys(filter(None, said))))


def _client_id(row: Mapping[str, Any]) -> str | None:
    value = row.get("client_order_id") if isinstance(row, dict) else None
    return value if isinstance(value, str) else None


def _omitted(row: Mapping[str, Any], error: Exception) -> OmittedRow:
    if not isinstance(row, dict):
        return OmittedRow("?", RowReason.UNREADABLE, type(error).__name__)
    pair = str(row.get("product_id", ""))[:32]
    foreign = str(row.get("product_type", "")) not in SPOT or pair.count("-") > 1
    try:
        at = ended_at(row)
    except UNREADABLE:
        at = None
    return OmittedRow(
        row_id=presentable(str(row.get("order_id", "?")))[:64],
        reason=RowReason.NOT_A_CURRENCY if foreign else RowReason.UNREADABLE,
        detail=f"{type(error).__name__}, product {presentable(pair)}",
        client_order_id=_client_id(row),
        at=at,
        pair=pair,
    )
