"""How the paper exchange's journal is read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.ledger.audit.journal import count_invalid_nonces, read_orders

ROW = {
    "user": "alice",
    "venue": "kraken",
    "symbol": "BTC/USD",
    "client_order_id": "o1",
    "order_id": "V1",
    "filled_size": "0.5",
    "accepted_at": 5,
}


def test_rows_are_read_by_user_and_no_client_id_is_an_empty_one() -> None:
    found = read_orders([ROW, {**ROW, "client_order_id": None, "filled_size": None}, {**ROW, "user": "bob"}])
    assert sorted(found) == ["alice", "bob"]
    first, second = found["alice"]
    assert (first.client_order_id, first.filled, first.accepted_at) == ("o1", Decimal("0.5"), 5)
    assert (second.client_order_id, second.filled) == ("", Decimal(0))


@pytest.mark.parametrize("row", [{"user": "alice"}, {**ROW, "filled_size": "much"}])
def test_a_row_that_cannot_be_read_is_told_not_ignored(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a row of the journal has"):
        read_orders([row])


def test_only_refusals_for_a_nonce_that_no_fault_made_up_are_counted() -> None:
    rows = [
        {"verdict": "EAPI:Invalid nonce"},
        {"verdict": "EAPI:Invalid nonce", "fault": "invalid_nonce_burst"},
        {"verdict": "ok"},
    ]
    assert count_invalid_nonces(rows) == 1
