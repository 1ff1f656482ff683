"""Words and numbers of the pages: units, signs, roundings, and what is left out because a column says it already."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.api.web import words
from services.api.web.tape.rows import CopyRow, copy_row, row_of
from services.api.web.tape.tally import Tally
from shared.bus.flow.streams import Entry
from shared.domain.values.money import Quantity
from shared.ledger.why import UserCopy

SIGNAL = Entry("shoal:signals", "1-0", {"symbol": "BTC/USD", "side": "buy", "price": "60000"})


def copied(reason: str, *, decision: str = "0.5 × 0.1", outcome: str = "filled", **instants: str) -> CopyRow:
    order = {"symbol": "BTC/USD", "decision": "copy", "reason": decision, **instants}
    report = {
        "symbol": "BTC/USD",
        "outcome": outcome,
        "reason": reason,
        "filled_size": "0.1",
        "average_price": "60010",
    } | instants
    return copy_row(UserCopy("alice", order, report), SIGNAL.fields)


@pytest.mark.parametrize(
    ("value", "text"),
    [("-0.001", "0.00 %"), ("0.001", "0.00 %"), ("0", "0.00 %"), ("-0.01", "−0.01 %"), ("1234.5", "+1,234.50 %")],
)
def test_a_share_of_nothing_has_no_sign(value: str, text: str) -> None:
    assert words.percent(value) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1.324535235644358425911695332", "1.32453524 SOL"), ("1200", "1,200 SOL"), ("0.5000000000", "0.5 SOL")],
)
def test_a_computed_amount_has_the_digits_that_venues_take(amount: str, text: str) -> None:
    assert words.about(Quantity(Decimal(amount), "SOL")) == text


def test_the_reason_of_a_plain_fill_is_left_out_for_its_columns_say_it() -> None:
    plain = copied("filled 0.1 BTC at 60010")
    assert (plain.why, plain.arithmetic) == ("0.5 × 0.1", "")
    for reason in ("filled 0.1 BTC at 60010 (settled by hand by olga)", "filled 0.1 BTC; the master's order rests"):
        row = copied(reason)
        assert (row.why, row.arithmetic) == (reason, "0.5 × 0.1")
    partial = copied("filled 0.1 BTC at 60010", outcome="partial")
    assert partial.why == "filled 0.1 BTC at 60010"


def test_those_who_have_not_copied_are_counted_by_reason() -> None:
    tally = Tally(SIGNAL, decided=9)
    for code, count in (("below_minimum", 3), ("parked", 2), ("paused", 1), ("expired", 1), ("failed", 1)):
        tally.outcomes["skipped"] += count
        tally.codes[code] += count
    assert row_of(SIGNAL, tally).rest == (
        "1 waiting, 3 below minimum, 2 parked, 1 paused, 1 expired, 1 for other reasons"
    )


def test_a_latency_below_zero_is_a_difference_of_clocks() -> None:
    row = copied("x", signal_at="1000", emitted_at="1300", sent_at="1100")
    assert dict(row.parts) == {"decided": "300 ms", "sent": "(clocks differ)"}
