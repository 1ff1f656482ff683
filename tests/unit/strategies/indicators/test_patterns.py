"""Candle patterns at their boundaries."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.strategies.indicators import bearish_engulfing, bullish_engulfing, hammer, shooting_star
from shared.venues.port import Candle

WICK = {"wick_to_body": Decimal(2), "wick_of_range_pct": Decimal(60)}


def _body(opened: str, closed: str) -> Candle:
    first, last = Decimal(opened), Decimal(closed)
    return Candle(0, first, max(first, last) + 1, min(first, last) - 1, last, Decimal(1))


def _mirrored(candle: Candle) -> Candle:
    """Return the candle upside down around 100."""
    return Candle(0, 200 - candle.open, 200 - candle.low, 200 - candle.high, 200 - candle.close, candle.volume)


def _shape(opened: str, high: str, low: str, closed: str) -> Candle:
    return Candle(0, Decimal(opened), Decimal(high), Decimal(low), Decimal(closed), Decimal(1))


@pytest.mark.parametrize(
    ("before", "candle", "engulfs"),
    [
        (("102", "98"), ("97", "103"), True),
        (("102", "98"), ("98", "103"), True),  # level at one end
        (("102", "98"), ("97", "102"), True),
        (("102", "98"), ("98", "102"), False),  # level at both ends
        (("102", "98"), ("98.1", "103"), False),
        (("102", "98"), ("97", "101.9"), False),
        (("98", "102"), ("97", "103"), False),  # the one before is not red
        (("102", "98"), ("103", "97"), False),  # this one is not green
        (("100", "100"), ("97", "103"), False),  # the one before has no body, and is not red
        (("102", "98"), ("100", "100"), False),
    ],
)
def test_a_bullish_engulfing_candle(before: tuple[str, str], candle: tuple[str, str], engulfs: bool) -> None:
    assert bullish_engulfing(_body(*before), _body(*candle)) is engulfs


@pytest.mark.parametrize(
    ("before", "candle", "engulfs"),
    [
        (("98", "102"), ("103", "97"), True),
        (("98", "102"), ("102", "97"), True),
        (("98", "102"), ("103", "98"), True),
        (("98", "102"), ("102", "98"), False),
        (("98", "102"), ("101.9", "97"), False),
        (("98", "102"), ("103", "98.1"), False),
        (("102", "98"), ("103", "97"), False),
        (("98", "102"), ("97", "103"), False),
        (("100", "100"), ("103", "97"), True),  # as TA-Lib has it: one without a body counts as green
    ],
)
def test_a_bearish_engulfing_candle(before: tuple[str, str], candle: tuple[str, str], engulfs: bool) -> None:
    assert bearish_engulfing(_body(*before), _body(*candle)) is engulfs


@pytest.mark.parametrize(
    ("candle", "found"),
    [
        (("100", "101", "96", "101"), True),  # wick 4 of a range of 5, body 1
        (("100", "102", "96", "102"), False),  # the wick is just twice the body
        (("100", "101.99", "96", "101.99"), True),
        (("100", "102.7", "96", "101"), False),  # 4 of 6.7 is less than 60 per cent
        (("99", "101", "96", "100"), False),  # 3 of 5 is just 60 per cent
        (("99.01", "101", "96", "100"), True),
        (("101", "101", "96", "100"), False),  # red
        (("100", "101", "96", "100"), False),  # no body
    ],
)
def test_a_hammer_and_its_mirror(candle: tuple[str, str, str, str], found: bool) -> None:
    shape = _shape(*candle)
    assert hammer(shape, **WICK) is found
    assert shooting_star(_mirrored(shape), **WICK) is found
