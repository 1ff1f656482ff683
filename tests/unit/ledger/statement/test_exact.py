"""Nothing is rounded but what is rounded by name, towards zero, and a whole stays whole."""

from __future__ import annotations

from decimal import Decimal, DivisionByZero, Inexact, InvalidOperation

import pytest

from shared.domain.values.money import ONE
from shared.ledger.statement.parts.exact import (
    LAST_DIGIT,
    QUANTUM,
    exactly,
    held_share,
    in_proportion,
    portion,
    quotient,
    settled,
)

LONG = Decimal("12345678901234567890.123456789012345678901234567890123456789")


def test_what_would_have_to_be_rounded_raises() -> None:
    with exactly():
        assert LONG * LONG - LONG * LONG == 0
        assert LONG + 1 - LONG == 1
        with pytest.raises(Inexact):
            _ = ONE / 3
        with pytest.raises(DivisionByZero):
            _ = ONE / 0


def test_ratios_shares_and_portions_are_rounded_towards_zero() -> None:
    third = Decimal("0." + "3" * 24)
    assert quotient(ONE, Decimal(3)) == third
    assert quotient(Decimal(-2), Decimal(3)) == Decimal("-0." + "6" * 24)
    assert portion(Decimal(2), third) == Decimal("0." + "6" * 24)
    assert in_proportion(Decimal(2), ONE, Decimal(3)) == Decimal("0." + "6" * 24)
    assert settled(LONG) == Decimal("12345678901234567890.123456789012345678")
    assert QUANTUM < LAST_DIGIT


def test_a_whole_keeps_all_its_digits_and_nothing_is_nothing() -> None:
    assert portion(LONG, ONE) == in_proportion(LONG, LONG, LONG) == LONG
    assert in_proportion(LONG, Decimal(0), LONG) == 0


def test_a_share_of_what_was_held_is_between_nothing_and_all() -> None:
    assert held_share(ONE, Decimal(4)) == Decimal("0.25")
    assert held_share(Decimal(5), Decimal(4)) == held_share(Decimal(4), Decimal(4)) == ONE
    assert held_share(ONE, Decimal(0)) == held_share(Decimal(0), ONE) == held_share(ONE, Decimal(-1)) == 0


def test_there_is_no_share_of_nothing() -> None:
    with pytest.raises((DivisionByZero, InvalidOperation)):
        quotient(ONE, Decimal(0))
