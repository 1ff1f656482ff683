"""An operator's verdict as it stands in an order's record."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.execution.operator_verdict import OperatorVerdict
from shared.execution.record import OrderRecord

FILLED = VerdictRecord(
    verdict=VerdictKind.FILLED,
    verdict_size=Decimal("0.5"),
    verdict_price=Decimal(60_000),
    verdict_fee=Decimal(12),
    verdict_by="ann",
    verdict_at=7,
)
NONE = VerdictRecord(verdict=VerdictKind.NONE, verdict_by="ann", verdict_at=7)


def record(side: str) -> OrderRecord:
    return OrderRecord.read({"id": "o", "state": "unknown", "symbol": "BTC/USD", "side": side, "client_order_id": "c"})


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_fill_reads_like_the_venues_own_record(side: str) -> None:
    verdict = OperatorVerdict.read(FILLED.fields())
    assert verdict is not None
    order = verdict.as_order(record(side))
    assert order is not None
    assert (order.filled.amount, order.cost.amount, order.fee, order.fee_asset) == (
        Decimal("0.5"), Decimal(30_000), Decimal(12), "USD",
    )  # fmt: skip
    assert (order.client_order_id, order.reason) == ("c", "settled by hand by ann")


def test_nothing_ends_an_entry_and_has_an_exit_sent_again() -> None:
    verdict = OperatorVerdict.read(NONE.fields())
    assert verdict is not None
    ended = verdict.as_order(record("buy"))
    assert ended is not None
    assert (ended.filled.amount, ended.reason) == (Decimal(0), "settled by hand by ann")
    assert verdict.as_order(record("sell")) is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"verdict": ""},
        {"verdict": "filled"},
        {"verdict": "filled", "verdict_size": "0.5"},
        {"verdict": "filled", "verdict_size": "0", "verdict_price": "60000"},
        {"verdict": "filled", "verdict_size": "NaN", "verdict_price": "60000"},
        {"verdict": "maybe", "verdict_size": "0.5", "verdict_price": "60000"},
    ],
)
def test_what_is_not_whole_is_no_verdict(fields: dict[str, str]) -> None:
    assert OperatorVerdict.read(fields) is None


def test_a_verdict_typed_by_hand_needs_no_more_than_size_and_price() -> None:
    verdict = OperatorVerdict.read({"verdict": "filled", "verdict_size": "0.5", "verdict_price": "60000"})
    assert verdict is not None
    assert (verdict.fee, verdict.by) == (Decimal(0), "an operator")
