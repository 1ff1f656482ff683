"""Reads the rows of Kraken's channels `executions` and `balances` strictly: a row is understood as a whole or not at all.

Rows after an order's first one carry only what has changed, so nearly every field may be missing; a missing one is never zero.
Words that are not in the tables below are not guessed. Sources: docs.kraken.com `websocket-v2/executions`, `balances`; KRAKEN.md,
K35 and K37.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from shared.domain.order import Side
from shared.venues.answers import decimal, instant
from shared.venues.errors import presentable
from shared.venues.kraken.parse import quantity, venue_id
from shared.venues.kraken.symbols import AssetNames
from shared.venues.rows import TradeKind
from shared.venues.stream import FundsKind, FundsMoved

TRADE: Final = "trade"
_FIRST: Final = frozenset({"pending_new", "new"})
_EXECUTIONS: Final = frozenset(
    {*_FIRST, TRADE, "filled", "iceberg_refill", "canceled", "expired", "amended", "restated", "status"}
)
_OPEN: Final = frozenset({"pending_new", "new", "partially_filled", "triggered"})
_ENDED: Final = frozenset({"filled", "canceled", "expired"})
_CHANGES_SIZE: Final = frozenset({"amended", "restated"})
_SETTLE: Final = "settle-position"
_FUNDS: Final[Mapping[str, FundsKind]] = {"deposit": FundsKind.DEPOSIT, "withdrawal": FundsKind.WITHDRAWAL}


class Stage(Enum):
    """What a row says of the state of its order."""

    OPEN = 1
    FILLED = 2
    ENDED = 3  # cancelled or expired


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order's first row says of it, and later rows do not repeat."""

    client_order_id: str
    pair: str
    """The venue's name, `BTC/USD`."""
    side: Side
    trade: TradeKind
    opened_at: int


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill. Amounts in base and quote; the fee by its asset's plain name, None where the row does not have it."""

    id: str
    size: Decimal
    cost: Decimal
    fees: tuple[tuple[str, Decimal], ...] | None
    at: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One row."""

    venue_order_id: str
    at: int
    stage: Stage
    terms: Terms | None
    fill: Fill | None
    client_order_id: str
    size: Decimal | None
    """What the order asks for, in base."""
    resized: bool
    """Whether this row may have changed the size."""
    filled: Decimal | None
    """All that has filled, in base, by the venue's sum."""
    cost: Decimal | None
    on_margin: bool
    reason: str


def order_id(row: Any) -> str:
    """Return the id of a row of any shape. Raises for a row without one."""
    return venue_id(row["order_id"])


def pair_of(row: Any) -> str:
    """Return the venue's name of the pair of a row of any shape; an empty string if it has none."""
    found = row.get("symbol") if isinstance(row, Mapping) else None
    return found if isinstance(found, str) else ""


def execution(names: AssetNames, row: Mapping[str, Any], *, snapshot: bool) -> Execution:
    """Parse a row of `executions`. Raises one of UNREADABLE for a row that is not understood as a whole."""
    kind, status = str(row["exec_type"]), str(row["order_status"])
    if kind not in _EXECUTIONS or status not in _OPEN | _ENDED:
        raise ValueError("an unknown word")
    at = instant(row["timestamp"])
    margin = _on_margin(row)
    first = kind in _FIRST or (snapshot and kind != TRADE)
    return Execution(
        venue_order_id=order_id(row),
        at=at,
        stage=_stage(kind, status),
        terms=_terms(row, at, on_margin=margin) if first and pair_of(row) else None,
        fill=_fill(names, row, at) if kind == TRADE else None,
        client_order_id=_text(row, "cl_ord_id"),
        size=_amount(row, "order_qty"),
        resized=kind in _CHANGES_SIZE,
        filled=_amount(row, "cum_qty"),
        cost=_amount(row, "cum_cost"),
        on_margin=margin,
        reason=presentable(_text(row, "reason") or _text(row, "cancel_reason")),
    )


def _stage(kind: str, status: str) -> Stage:
    if "filled" in {kind, status}:
        return Stage.FILLED
    return Stage.ENDED if {kind, status} & _ENDED else Stage.OPEN


def _terms(row: Mapping[str, Any], at: int, *, on_margin: bool) -> Terms:
    trade = TradeKind.SPOT
    if row.get("order_type") == _SETTLE:
        trade = TradeKind.SETTLEMENT
    elif on_margin:
        trade = TradeKind.MARGIN
    elif row.get("cash_order_qty") is not None:
        trade = TradeKind.SIZED_IN_QUOTE
    return Terms(_text(row, "cl_ord_id"), pair_of(row), Side(row["side"]), trade, at)


def _fill(names: AssetNames, row: Mapping[str, Any], at: int) -> Fill:
    size = quantity(row["last_qty"])
    cost = quantity(row["cost"]) if "cost" in row else size * quantity(row["last_price"])
    if size <= 0 or cost <= 0:
        raise ValueError("not a fill")
    charged = row.get("fees")
    fees = None if charged is None else tuple((names.plain(str(fee["asset"])), decimal(fee["qty"])) for fee in charged)
    return Fill(venue_id(row["exec_id"]), size, cost, fees, at)


def _on_margin(row: Mapping[str, Any]) -> bool:
    marks = (row.get("margin"), row.get("position_status"), row.get("liquidated"), row.get("margin_borrow"))
    return any(mark not in {None, False, ""} for mark in marks)


def _amount(row: Mapping[str, Any], name: str) -> Decimal | None:
    return None if row.get(name) is None else quantity(row[name])


def _text(row: Mapping[str, Any], name: str) -> str:
    found = row.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise TypeError(name)
    return found


def funds_moved(names: AssetNames, row: Mapping[str, Any]) -> FundsMoved | None:
    """Parse an update of `balances`; None for one that an order did, or that moves nothing. Raises one of UNREADABLE."""
    kind = row["type"]
    if not isinstance(kind, str):
        raise TypeError("type")
    if kind == TRADE or (decimal(row["amount"]) == 0 and decimal(row.get("fee") or 0) == 0):
        return None
    return FundsMoved(names.plain(str(row["asset"])), _FUNDS.get(kind, FundsKind.OTHER), instant(row["timestamp"]))
