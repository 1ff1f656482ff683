"""The default strategy: long while the fast average is above, whatever it was before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.indicators import sma
from shared.strategies.port import Context, Enter, Exit, Holding, Intent
from shared.strategies.sma_cross import SmaCross, SmaCrossSettings
from shared.venues.port import Candle
from tests.unit.master_strategy.values import BTC, ETH, btc, candles, falling, rising, usd

SETTINGS = SmaCrossSettings(fast=3, slow=8, entry_pct=Decimal(4), entry_pct_by_symbol={BTC: Decimal(6)})


def _decide(seen: Mapping[Symbol, Sequence[Candle]], held: Mapping[Symbol, Quantity] | None = None) -> Sequence[Intent]:
    strategy = SmaCross(SETTINGS)
    holdings = {symbol: Holding(size, Price(Decimal(1), symbol), 0) for symbol, size in (held or {}).items()}
    return strategy.decide(Context(now=0, candles=seen, holdings=holdings, equity=usd("10000")))


def test_an_average_is_of_the_last_values_only() -> None:
    assert sma([Decimal(100), Decimal(1), Decimal(2), Decimal(3)], 3) == 2


def test_too_few_values_give_no_average() -> None:
    with pytest.raises(ValueError, match="2 values give no average of 3"):
        sma([Decimal(1), Decimal(2)], 3)


def test_a_trend_that_is_there_at_the_start_is_entered_without_waiting_for_a_cross() -> None:
    [intent] = _decide({BTC: rising()})
    assert isinstance(intent, Enter)
    assert (intent.symbol, intent.share) == (BTC, Decimal("0.06"))


def test_what_is_held_is_not_entered_again() -> None:
    assert not _decide({BTC: rising()}, {BTC: btc("0.1")})


def test_below_the_slow_average_the_whole_position_is_left() -> None:
    [intent] = _decide({BTC: falling()}, {BTC: btc("0.1")})
    assert isinstance(intent, Exit)
    assert intent.fraction == 1


def test_below_the_slow_average_nothing_held_is_nothing_to_do() -> None:
    assert not _decide({BTC: falling()})


def test_equal_averages_are_no_reason_for_anything() -> None:
    flat = candles(*[50_000] * 8)
    assert not _decide({BTC: flat})
    assert not _decide({BTC: flat}, {BTC: btc("0.1")})


def test_a_symbol_without_candles_is_neither_entered_nor_left() -> None:
    assert not _decide({}, {BTC: btc("0.1"), ETH: Quantity(Decimal(1), "ETH")})


def test_only_the_newest_candles_count() -> None:
    [intent] = _decide({BTC: [*falling(20), *rising(8)]})
    assert isinstance(intent, Enter)
