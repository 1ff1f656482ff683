"""`ops master` and what it reads: one damaged record hides no other."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.contracts.fields import MalformedMessageError
from shared.contracts.master_account import read_holding, read_uncopied, write_holding, write_uncopied
from shared.domain.master_account import Baseline, MasterHolding, UncopiedOrder
from shared.domain.order import Side
from shared.domain.values.money import Quantity


def _btc(amount: str) -> Quantity:
    return Quantity(Decimal(amount), "BTC")


def test_what_is_written_is_read_back() -> None:
    holding = MasterHolding(_btc("0.7"), _btc("0.5"), Baseline.WHOLE_POSITION, 123)
    assert read_holding("BTC", write_holding(holding)) == holding
    for row in (
        UncopiedOrder("O1", "margin", "it was traded on margin", 1, "BTC/USD", Side.SELL, _btc("0.1")),
        UncopiedOrder("O2", "unreadable", "ValueError", 2),
    ):
        assert read_uncopied(row.id, write_uncopied(row)) == row


@pytest.mark.parametrize("written", ["", "{", "[]", '{"total": "x"}', '{"total": "1", "apart": "-1", "baseline": "s"}'])
def test_what_cannot_be_read_says_so(written: str) -> None:
    with pytest.raises(MalformedMessageError):
        read_holding("BTC", written)
    with pytest.raises(MalformedMessageError):
        read_uncopied("O1", written)
