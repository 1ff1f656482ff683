"""Arithmetic of the statement: exact, or rounded in one named place.

Sums, differences and products of decimals are finite decimals. Inside `exactly()` an operation that would have to round raises
`decimal.Inexact` instead, so that no part of a statement can lose a digit unseen. A quotient may have no end: ratios, shares
and portions are rounded here, towards zero, to `QUANTUM`, and count as exact from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, localcontext
from typing import Final

from shared.domain.values.money import ONE, ZERO

QUANTUM: Final = Decimal(1).scaleb(-24)
"""The last digit of ratios, shares and portions: 16 digits finer than any lot."""
LAST_DIGIT: Final = Decimal(1).scaleb(-18)
"""The last digit of a result: finer than any product of a lot and a tick, so that a user's own result is never rounded, and few
enough digits that statements can be summed up with ordinary decimals."""
_DIGITS: Final = 500
"""More than the longest product of amounts that Shoal reads (121 digits each) can have."""
_EXACT: Final = Context(prec=_DIGITS, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_ROUNDING: Final = Context(prec=_DIGITS, rounding=ROUND_DOWN, traps=[InvalidOperation, DivisionByZero, Overflow])


@contextmanager
def exactly() -> Iterator[None]:
    """Compute exactly inside; an operation that would have to round raises `decimal.Inexact`."""
    with localcontext(_EXACT):
        yield


def settled(result: Decimal) -> Decimal:
    """Return a result in whole LAST_DIGITs."""
    return _ROUNDING.quantize(result, LAST_DIGIT)


def quotient(one: Decimal, other: Decimal) -> Decimal:
    """Return one / other, rounded to QUANTUM. Raises an ArithmeticError of `decimal` if `other` is zero."""
    return _ROUNDING.quantize(_ROUNDING.divide(one, other), QUANTUM)


def portion(amount: Decimal, share: Decimal) -> Decimal:
    """Return a share (0..1) of an amount, rounded to QUANTUM; all of it, with all its digits, for a share of one."""
    return amount if share == ONE else _ROUNDING.quantize(_ROUNDING.multiply(amount, share), QUANTUM)


def in_proportion(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return the `amount` of a `whole` that belongs to a `part` of it, rounded to QUANTUM; exact if they are equal."""
    if part == whole:
        return amount
    if part == 0:
        return ZERO
    return _ROUNDING.quantize(_ROUNDING.divide(_ROUNDING.multiply(amount, part), whole), QUANTUM)


def held_share(sold: Decimal, held: Decimal) -> Decimal:
    """Return the share (0..1) of what was held that was sold."""
    if held <= 0 or sold <= 0:
        return ZERO
    return ONE if sold >= held else quotient(sold, held)


def rounded(amount: Decimal, step: Decimal, mode: str) -> Decimal:
    """Return an amount rounded to a power of ten in a rounding mode of `decimal`."""
    return amount.quantize(step, rounding=mode, context=_ROUNDING)
