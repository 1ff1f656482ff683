"""The orders of one exit at its venue: two that trade for the same amount under different ids are a double."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final
from uuid import UUID, uuid5

from tests.chaos.judging.evidence import Fields, UserEvidence

_MOST_LEGS: Final = 50
_LOT: Final = Decimal("1e-7")
_DUST: Final = Decimal(15)
"""USD. A rest that is worth less is sold with the fraction that was asked for."""

Rows = Sequence[Mapping[str, Any]]


def leg_ids(order_id: str) -> Iterator[str]:
    """Iterate over the client order ids that the later legs of an exit may have."""
    return (str(uuid5(UUID(order_id), f"leg-{number}")) for number in range(2, _MOST_LEGS))


def judge_legs(
    user: UserEvidence, owners: Mapping[str, Fields], fills: Mapping[str, Rows], *, sizes_stand: bool
) -> list[str]:
    """Return what is wrong with the legs of a user's exits, in words.

    A leg may only begin when the one before it has ended, and all of them together sell the fraction of what was held, no more.
    The second can be told where no decision was made twice (`sizes_stand`).
    """
    found = []
    for order_id, rows in fills.items():
        decision = owners[order_id]
        if decision["kind"] != "exit":
            continue
        legs = sorted(rows, key=lambda row: int(row["accepted_at"]))
        for before, after in pairwise(legs):
            if before["closed_at"] is None or int(before["closed_at"]) > int(after["accepted_at"]):
                found.append(f"{user.user}: two orders for {order_id} at once, {_name(before)} and {_name(after)}")
        if sizes_stand and (words := _oversold(user, decision, legs)):
            found.append(f"{user.user}: exit {order_id} {words}")
    return found


def _oversold(user: UserEvidence, decision: Fields, legs: Rows) -> str:
    began = min(int(row["accepted_at"]) for row in legs)
    own = {row["order_id"] for row in legs}
    held = sum(
        (_signed(row) for row in user.orders if _concerns(row, legs[0], began) and row["order_id"] not in own),
        Decimal(0),
    )
    sold = sum((_filled(row) for row in legs), Decimal(0))
    due = held * Decimal(decision["fraction"])
    if sold <= due + _LOT or (sold <= held and (held - due) * _price(legs) < _DUST):
        return ""
    ids = ", ".join(_name(row) for row in legs)
    return f"sold {sold} where {due} was due of {held} held, by {ids}"


def _concerns(row: Mapping[str, Any], leg: Mapping[str, Any], began: int) -> bool:
    same = row["venue"] == leg["venue"] and row["symbol"] == leg["symbol"]
    return bool(same and int(row["accepted_at"]) <= began)


def _signed(row: Mapping[str, Any]) -> Decimal:
    return _filled(row) if row["side"] == "buy" else -_filled(row)


def _filled(row: Mapping[str, Any]) -> Decimal:
    return Decimal(row["filled_size"] or 0)


def _price(legs: Rows) -> Decimal:
    return max((Decimal(row["average_price"] or 0) for row in legs), default=Decimal(0))


def _name(row: Mapping[str, Any]) -> str:
    return str(row["client_order_id"])
