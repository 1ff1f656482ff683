"""What every entry must pass: ADX, and the last volume beside two means. Trend and trigger are switched off here."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from shared.strategies.port import Enter
from shared.venues.port import Candle
from tests.unit.strategies.trend.windows import Number, decide, edge, reading, with_volumes, zigzag


def _enters(candles: Sequence[Candle]) -> bool:
    return isinstance(decide(candles, trend_conditions=0, trigger_conditions=0), Enter)


def _enters_with_volumes(*volumes: Number) -> bool:
    return _enters(with_volumes(zigzag("0.5"), *volumes))


def test_adx_must_be_at_least_twenty() -> None:
    below, above = edge(lambda back: _enters(zigzag(back)), "0.8", "0.5")
    assert reading(zigzag(below)).adx == pytest.approx(20, abs=1e-6)
    assert reading(zigzag(below)).adx < 20 <= reading(zigzag(above)).adx


def test_an_adx_at_the_minimum_is_enough() -> None:
    candles = zigzag("0.5")
    adx = reading(candles).adx
    assert decide(candles, min_adx=adx, trend_conditions=0, trigger_conditions=0)
    assert not decide(candles, min_adx=adx + 1e-9, trend_conditions=0, trigger_conditions=0)


def test_the_last_volume_must_be_half_of_the_mean_of_five_with_itself() -> None:
    assert _enters_with_volumes(9, 9, 9, 9, 4)  # the mean is 8
    assert not _enters_with_volumes(9, 9, 9, 9, "3.99999999")


def test_a_sixth_volume_does_not_count_for_the_mean_of_five() -> None:
    assert _enters_with_volumes(10, 9, 9, 9, 9, 4)
    assert not _enters_with_volumes(0, 9, 9, 9, 9, "3.99999999")


def test_the_last_volume_must_be_a_quarter_of_the_mean_of_twenty_with_itself() -> None:
    assert _enters_with_volumes(*[5] * 15, 1, 1, 1, 1, 1)  # the mean is 4
    assert not _enters_with_volumes(*[5] * 15, 1, 1, 1, 1, "0.99999999")


def test_a_twenty_first_volume_does_not_count_for_the_mean_of_twenty() -> None:
    assert _enters_with_volumes(1000, *[5] * 15, 1, 1, 1, 1, 1)
    assert not _enters_with_volumes(0, *[5] * 15, 1, 1, 1, 1, "0.99999999")


def test_nothing_is_entered_where_nothing_is_traded() -> None:
    assert not _enters_with_volumes(*[0] * 20)
    assert not _enters_with_volumes(*[Decimal(0)] * 100)


def test_each_filter_is_a_setting() -> None:
    off: dict[str, Any] = {"trend_conditions": 0, "trigger_conditions": 0}
    quiet = with_volumes(zigzag("0.5"), 9, 9, 9, 9, 3)
    assert not decide(quiet, **off)
    assert decide(quiet, **off, volume_short_pct=38)
    assert not decide(quiet, **off, volume_short_pct=38, volume_long_pct=40)
    assert decide(quiet, **off, volume_short=1)
    assert decide(zigzag("0.8"), **off, min_adx=10)
