"""Coinbase's JSON as values of the port. One row that cannot be read leaves the others readable.

Numbers are texts, sums are always in the quote, and only `filled_size` counts as traded, whatever the status says.
Sources: COINBASE.md, C11 to C17.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from shared.domain.order import Side
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues import answers
from shared.venues.answers import UNREADABLE, decimal
from shared.venues.errors import presentable
from shared.venues.port import Candle
from shared.venues.rows import (
    Balance,
    Balances,
    OmittedRow,
    OrderList,
    RowReason,
    TradeKind,
    VenueOrder,
    VenueOrderStatus,
)

ENDED: Final = frozenset({"FILLED", "CANCELLED", "EXPIRED", "FAILED"})
"""The statuses after which nothing fills; with all others, new ones included, an order is still open (C14)."""
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_NEVER: Final = "0001-"
_ID: Final = re.compile(r"[!-~]{1,128}")
_NO_REASON: Final = "REJECT_REASON_UNSPECIFIED"
_SPOT: Final = frozenset({"SPOT", "UNKNOWN_PRODUCT_TYPE", ""})


@contextmanager
def readable(method: str) -> Generator[None]:
    """Raise Unavailable for any unexpected shape of an answer; its text names the call and nothing of the content."""
    with answers.readable(f"Coinbase's answer to {method}"):
        yield


def instant(text: str) -> int:
    """Parse RFC 3339 with 0 to 9 decimals (C1), as epoch ms. Raises ValueError."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("not an instant")
    whole = datetime.fromisoformat(f"{found.group(1)}+00:00")
    return int(whole.timestamp()) * 1000 + int((found.group(2) or "0").ljust(3, "0")[:3])


def instruments(rows: Iterable[Mapping[str, Any]], as_of: int) -> tuple[dict[Symbol, Instrument], dict[str, str]]:
    """Return the spot products, and why others cannot be used, by id. A product of another type is in neither."""
    found: dict[Symbol, Instrument] = {}
    unusable: dict[str, str] = {}
    for row in rows:
        try:
            if str(row.get("product_type", "")) not in _SPOT:
                continue
            each = _instrument(row, as_of)
        except UNREADABLE as error:
            unusable[str(row.get("product_id") if isinstance(row, dict) else "a row")[:64]] = type(error).__name__
        else:
            found[each.symbol] = each
    return found, unusable


def _instrument(row: Mapping[str, Any], as_of: int) -> Instrument:
    steps = {
        name: decimal(row[name]) for name in ("base_increment", "price_increment", "base_min_size", "quote_min_size")
    }
    if min(steps.values()) < 0 or 0 in {steps["base_increment"], steps["price_increment"]}:
        raise ValueError("a step is not above zero")
    return Instrument(
        symbol=symbol_of(row["product_id"]),
        lot_step=steps["base_increment"],
        tick=steps["price_increment"],
        min_size=steps["base_min_size"],
        min_cost=steps["quote_min_size"],
        status=_status(row),
        as_of=as_of,
    )


def _status(row: Mapping[str, Any]) -> PairStatus:
    stopped = ("is_disabled", "trading_disabled", "view_only", "auction_mode", "cancel_only")
    if any(row.get(flag) is True for flag in stopped) or str(row.get("status", "online")).lower() not in {"online", ""}:
        return PairStatus.CANCEL_ONLY
    if row.get("post_only") is True:
        return PairStatus.POST_ONLY
    return PairStatus.LIMIT_ONLY if row.get("limit_only") is True else PairStatus.ONLINE


def symbol_of(product_id: str) -> Symbol:
    """Return the symbol of a product id such as `BTC-USD`. Raises ValueError."""
    base, dash, quote = product_id.partition("-")
    if not dash or "-" in quote:
        raise ValueError("not a spot product")
    return Symbol(base, quote)


def prices(rows: Iterable[Mapping[str, Any]]) -> dict[Symbol, Price]:
    """Return the prices of the last trades; a product without one is left out."""
    found = {}
    for row in rows:
        try:
            symbol, amount = symbol_of(row["product_id"]), decimal(row["price"])
        except UNREADABLE:
            continue  # a product that has never traded has an empty price
        if amount > 0:
            found[symbol] = Price(amount, symbol)
    return found


def candles(rows: Iterable[Mapping[str, Any]], *, seconds: int, now: int) -> list[Candle]:
    """Return committed candles, oldest first; the newest row is left out unless its time is over at `now` (epoch ms)."""
    found = [_candle(row) for row in rows]
    found.sort(key=lambda each: each.opened_at)
    if found and found[-1].opened_at + seconds * 1000 > now:
        found.pop()
    return found


def _candle(row: Mapping[str, Any]) -> Candle:
    open_, high, low, close, volume = (decimal(row[name]) for name in ("open", "high", "low", "close", "volume"))
    return Candle(int(row["start"]) * 1000, open_, high, low, close, volume)


def balances(rows: Iterable[Mapping[str, Any]]) -> Balances:
    """Return the wallets by currency: what is owned, and what is not held by orders. One that is not ready has nothing free."""
    found: dict[str, Balance] = {}
    unreadable = set()
    for row in rows:
        asset = str(row["currency"])
        try:
            free, held = decimal(row["available_balance"]["value"]), decimal((row.get("hold") or {}).get("value", "0"))
        except UNREADABLE:
            unreadable.add(asset)
            continue
        usable = row.get("active") is not False and row.get("ready") is not False
        before = found.get(asset, Balance(asset, Decimal(0), Decimal(0)))
        found[asset] = Balance(asset, before.total + free + held, before.free + (free if usable else 0))
    return Balances(found, unreadable)


def orders(rows: Sequence[Mapping[str, Any]]) -> OrderList:
    """Parse rows of orders; one that cannot be read is in `left_out`."""
    read = [order(row) for row in rows]
    return OrderList(
        (each for each in read if isinstance(each, VenueOrder)), (each for each in read if isinstance(each, OmittedRow))
    )


def order(row: Mapping[str, Any]) -> VenueOrder | OmittedRow:
    """Parse one order. An order that reads FILLED before its sums are there is still open: nothing is booked from it (C14)."""
    try:
        return _order(row)
    except UNREADABLE as error:
        return _omitted(row, error)


def _order(row: Mapping[str, Any]) -> VenueOrder:
    symbol = symbol_of(row["product_id"])
    status = str(row["status"])
    filled, cost, fee = (decimal(row.get(name) or "0") for name in ("filled_size", "filled_value", "total_fees"))
    if min(filled, cost) < 0 or not _ID.fullmatch(row["order_id"]):
        raise ValueError("not an order")
    done = status in ENDED and (status != "FILLED" or (filled > 0 and cost > 0)) and (filled == 0) == (cost == 0)
    opened_at = instant(row["created_time"])
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
        closed_at=ended_at(row) or opened_at if done else None,
        reason=_reason(row) if status != "FILLED" else "",
        trade=TradeKind.MARGIN if _on_margin(row) else TradeKind.SPOT,
    )


def ended_at(row: Mapping[str, Any]) -> int | None:
    """Return when an order last changed: no field says when it ended (C15). None if not even that is there."""
    known = [text for name in ("last_update_time", "last_fill_time") if (text := row.get(name)) and text[:5] != _NEVER]
    return max(map(instant, known)) if known else None


def taker_fee(summary: Mapping[str, Any]) -> Decimal | None:
    """Return the account's taker fee as a fraction; None where none is named."""
    rate = (summary.get("fee_tier") or {}).get("taker_fee_rate")
    return None if rate in {None, ""} else decimal(rate)


def configuration(row: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the kind of an order and its fields. Raises ValueError unless there is exactly one."""
    ((kind, fields),) = dict(row["order_configuration"]).items()
    return str(kind), dict(fields)


def _on_margin(row: Mapping[str, Any]) -> bool:
    return str(row.get("margin_type") or "") in {"CROSS", "ISOLATED"} or str(row.get("product_type", "")) not in _SPOT


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
    foreign = str(row.get("product_type", "")) not in _SPOT or pair.count("-") > 1
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
