"""Reads the rows of Coinbase's `user` channel strictly: a row is understood as a whole or not at all.

Rows are cumulative and name no fills; amounts are texts, and one that is empty counts as zero only before anything has filled.
Sources: docs.cdp.coinbase.com, user channel; COINBASE.md, C22 to C28.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from shared.domain.order import Side
from shared.domain.values.money import ZERO
from shared.venues.answers import decimal, instant
from shared.venues.coinbase.errors import family
from shared.venues.coinbase.order_rows import ENDED, is_id
from shared.venues.coinbase.parse import SPOT
from shared.venues.errors import Refusal, presentable
from shared.venues.rows import TradeKind

_OPEN: Final = frozenset({"PENDING", "OPEN", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED"})
_NO_REASON: Final = frozenset({"", "REJECT_REASON_UNSPECIFIED"})
_ROUNDING: Final = Decimal("0.0001")
"""By how much, relatively, sums that belong together may differ: each is rounded."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """One row: an order as it is."""

    order_id: str
    client_order_id: str
    product_id: str
    side: Side
    trade: TradeKind
    status: str
    filled: Decimal
    cost: Decimal
    fee: Decimal | None
    """None where the row does not have it."""
    size: Decimal | None
    """What the order asks for, in base; None if the row does not show it."""
    agrees: bool
    """Whether its sums can be of one moment: the average price, size and value fit one another, and so does the total."""
    opened_at: int
    reason: str
    refusal: Refusal | None

    @property
    def ended(self) -> bool:
        """Return whether nothing more will fill."""
        return self.status in ENDED


def order_id_of(row: Any) -> str:
    """Return the id of a row of any shape; an empty string if it has none."""
    found = row.get("order_id") if isinstance(row, Mapping) else None
    return found if isinstance(found, str) and is_id(found) else ""


def user_row(row: Mapping[str, Any]) -> UserRow:
    """Parse a row. Raises one of UNREADABLE for one that is not understood as a whole."""
    status = row["status"]
    if status not in _OPEN | ENDED or not order_id_of(row) or not isinstance(row.get("client_order_id", ""), str):
        raise ValueError("an unknown word")
    filled, cost = _sum(row, "cumulative_quantity"), _sum(row, "filled_value")
    fee = decimal(row["total_fees"]) if row.get("total_fees") not in {None, ""} else None
    if fee is None and filled == 0:
        fee = ZERO
    side = Side(str(row["order_side"]).lower())
    leaves = row.get("leaves_quantity")
    return UserRow(
        order_id=row["order_id"],
        client_order_id=row.get("client_order_id", ""),
        product_id=str(row["product_id"]),
        side=side,
        trade=TradeKind.MARGIN if _on_margin(row) else TradeKind.SPOT,
        status=status,
        filled=filled,
        cost=cost,
        fee=fee,
        # When an order has ended its rest may be shown as zero, whatever it was.
        size=filled + decimal(leaves) if status not in ENDED and leaves not in {None, ""} else None,
        agrees=_agrees(row, filled, cost, fee, side),
        opened_at=instant(str(row["creation_time"])),
        reason=_reason(row) if status != "FILLED" else "",
        refusal=family(_reason(row)) if status == "FAILED" else None,
    )


def _sum(row: Mapping[str, Any], name: str) -> Decimal:
    text = row.get(name)
    if text in {None, ""}:
        if str(row.get("number_of_fills") or "0") != "0":
            raise ValueError("a sum is missing")
        return ZERO
    amount = decimal(text)
    if amount < 0:
        raise ValueError("below zero")
    return amount


def _agrees(row: Mapping[str, Any], filled: Decimal, cost: Decimal, fee: Decimal | None, side: Side) -> bool:
    if (filled == 0) != (cost == 0) or fee is None:
        return False
    price, total = row.get("avg_price"), row.get("total_value_after_fees")
    if filled and price not in {None, "", "0"} and not _near(decimal(price) * filled, cost):
        return False
    after = cost + fee if side is Side.BUY else cost - fee
    return not filled or total in {None, "", "0"} or _near(decimal(total), after)


def _near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= max(abs(one), abs(other)) * _ROUNDING


def _on_margin(row: Mapping[str, Any]) -> bool:
    return str(row.get("margin_type") or "") in {"CROSS", "ISOLATED"} or str(row.get("product_type") or "") not in SPOT


def _reason(row: Mapping[str, Any]) -> str:
    named = [str(row.get(name) or "") for name in ("reject_reason", "cancel_reason")]
    said = [str(row.get("status")).lower(), *(text for text in named if text not in _NO_REASON)]
    return presentable(": ".join(dict.fromkeys(said)))
