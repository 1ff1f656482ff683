"""Records of one width in a ring: what is written is read again, and nothing that is too old."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.contracts.equity_sample import EQUITY_STEPS, EquitySample, read_samples, write_sample
from shared.contracts.sample_ring import MINUTE_MS, SampleRing, read_amount, write_amount, write_label, write_minute

_AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=4)
_START = 1_763_827_200_000


def _ring(step: SampleRing, samples: list[tuple[int, EquitySample]]) -> str:
    text = " " * step.size
    for at, sample in samples:
        place, record = step.offset(at), write_sample(at, sample)
        text = text[:place] + record + text[place + len(record) :]
    header = write_minute(max(step.start(at) for at, _ in samples)) + write_label(samples[0][1].currency)
    return header + text[len(header) :]


@given(_AMOUNTS)
def test_an_amount_is_read_as_it_was_written(amount: Decimal) -> None:
    text = write_amount(amount, 4)
    assert len(text) == 10
    assert read_amount(text, 4) == amount


@pytest.mark.parametrize(
    ("amount", "read"),
    [(None, None), (Decimal("1e20"), None), (Decimal(0), Decimal(0)), (Decimal("-0.0001"), Decimal("-0.0001"))],
)
def test_what_is_not_known_or_too_wide_is_blank(amount: Decimal | None, read: Decimal | None) -> None:
    assert read_amount(write_amount(amount, 4), 4) == read


@pytest.mark.parametrize("text", ["          ", "not a word", "--------1", "", "٣٤٥", "1 2"])
def test_what_cannot_be_read_is_not_known(text: str) -> None:
    assert read_amount(text, 4) is None


@pytest.mark.parametrize("step", EQUITY_STEPS.values(), ids=EQUITY_STEPS)
@given(_AMOUNTS, st.integers(0, 10**7))
def test_a_ring_returns_its_samples_oldest_first(step: SampleRing, amount: Decimal, later: int) -> None:
    first = _START + later * MINUTE_MS
    samples = [(first + number * step.length_ms, EquitySample("USD", amount, None)) for number in range(5)]
    assert read_samples(_ring(step, samples), step) == samples
    assert read_samples(_ring(step, samples), step, since=samples[2][0]) == samples[2:]


def test_a_sample_that_is_older_than_the_ring_keeps_is_left_out() -> None:
    step = EQUITY_STEPS["minute"]
    old, new = EquitySample("USD", Decimal(1)), EquitySample("USD", Decimal(2))
    late = _START + 90 * MINUTE_MS  # the place of the first was not needed since: nothing changed
    assert read_samples(_ring(step, [(_START, old), (late, new)]), step) == [(late, new)]


def test_an_empty_text_is_an_empty_ring() -> None:
    assert read_samples("", EQUITY_STEPS["hour"]) == []


def test_all_rings_of_an_account_have_less_than_twenty_kilobytes() -> None:
    assert sum(step.size for step in EQUITY_STEPS.values()) < 18_000
    assert max(step.kept_ms for step in EQUITY_STEPS.values()) == 90 * 24 * 3600 * 1000
