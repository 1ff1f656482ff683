"""Bars of a window are the same bits, computed from the window or from the one before."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.strategies.indicators import Bars
from shared.venues.port import Candle
from tests.unit.strategies.indicators.random_candles import random_candles


def _candle(high: str, low: str, close: str, volume: str = "2") -> Candle:
    return Candle(0, Decimal(close), Decimal(high), Decimal(low), Decimal(close), Decimal(volume))


def _steps(bars: Bars) -> tuple[tuple[float, ...], ...]:
    return bars.gains, bars.losses, bars.true_ranges, bars.rises, bars.falls


@pytest.mark.parametrize("seed", range(5))
def test_a_window_that_moves_on_has_the_bits_of_one_computed_from_its_candles(seed: int) -> None:
    candles = random_candles(seed, 160)
    bars = Bars.of(candles[:100])
    for end in range(101, 161):
        bars = bars.following(candles[end - 2], candles[end - 1])
        assert bars == Bars.of(candles[end - 100 : end])


def test_turnover_is_of_the_typical_price() -> None:
    bars = Bars.of([_candle("12", "9", "9"), _candle("13", "10", "10", "3")])
    assert (bars.closes, bars.volumes, bars.turnovers) == ((9.0, 10.0), (2.0, 3.0), (20.0, 33.0))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (("12", "9", "10"), ("14", "10", "13"), (3.0, 0.0, 4.0, 2.0, 0.0)),
        (("12", "9", "10"), ("11", "6", "8"), (0.0, 2.0, 5.0, 0.0, 3.0)),
        (("12", "9", "10"), ("14", "8", "10"), (0.0, 0.0, 6.0, 2.0, 0.0)),  # the larger move counts alone
        (("12", "9", "10"), ("13", "7", "10"), (0.0, 0.0, 6.0, 0.0, 2.0)),
        (("12", "9", "10"), ("13", "8", "10"), (0.0, 0.0, 5.0, 0.0, 0.0)),  # equal moves count for neither
        (("12", "9", "10"), ("11", "10", "10"), (0.0, 0.0, 1.0, 0.0, 0.0)),
        (("12", "9", "9"), ("20", "15", "16"), (7.0, 0.0, 11.0, 8.0, 0.0)),  # a gap is part of the range
        (("12", "9", "12"), ("7", "5", "6"), (0.0, 6.0, 7.0, 0.0, 4.0)),
    ],
)
def test_what_two_candles_give(
    before: tuple[str, str, str], after: tuple[str, str, str], expected: tuple[float, ...]
) -> None:
    assert _steps(Bars.of([_candle(*before), _candle(*after)])) == tuple((value,) for value in expected)


def test_one_candle_has_no_bars() -> None:
    with pytest.raises(ValueError, match="1 candles have no step between two"):
        Bars.of([_candle("12", "9", "10")])
