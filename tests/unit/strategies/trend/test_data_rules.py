"""Enough candles or nothing; more of them, another order of symbols or a cache change no decision."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.strategies.indicators import Bars
from shared.strategies.port import Enter, Exit, Intent, candles_needed
from shared.strategies.trend import Trend
from shared.venues.port import Candle
from tests.unit.master_strategy.values import BTC, ETH
from tests.unit.strategies.indicators.random_candles import random_candles
from tests.unit.strategies.trend.windows import context, decide, held, line, zigzag


def test_a_hundred_candles_are_needed_to_enter() -> None:
    assert isinstance(decide(zigzag("0.5", count=100)), Enter)
    assert decide(zigzag("0.5", count=99)) is None


def test_ninety_candles_are_needed_to_look_after_a_position() -> None:
    assert isinstance(decide(line(-1, count=90), held(since=0)), Exit)
    assert decide(line(-1, count=89), held(since=0)) is None


def test_the_strategy_asks_for_just_these() -> None:
    assert (candles_needed(Trend(), held=False), candles_needed(Trend(), held=True)) == (100, 90)


def test_no_candles_no_intent() -> None:
    assert not Trend().decide(context({}, {BTC: held()}))
    assert not Trend().decide(context({}, {}))


def test_a_symbol_without_candles_has_no_intent_beside_one_with_candles() -> None:
    [intent] = Trend().decide(context({ETH: line(-1)}, {BTC: held(since=0), ETH: held(since=0)}))
    assert intent.symbol == ETH


@pytest.mark.parametrize("more", [1, 37, 250])
def test_more_history_changes_nothing(more: int) -> None:
    market = random_candles(5, 1200, move=0.002)
    for end in range(350, 1200, 3):
        for holding in (None, held()):
            assert decide(market[end - 100 - more : end], holding) == decide(market[end - 100 : end], holding)


def _decisions(market: Sequence[Candle], *, afresh: bool) -> list[Sequence[Intent]]:
    strategy, found = Trend(), []
    for end in range(100, len(market) + 1):
        strategy = Trend() if afresh else strategy
        holdings = {BTC: held()} if end % 3 == 0 else {}
        found.append(strategy.decide(context({BTC: market[end - 100 : end]}, holdings)))
    return found


def test_a_strategy_that_has_seen_the_candles_before_decides_like_a_new_one() -> None:
    market = random_candles(6, 900, move=0.002)
    torn = [*market[:400], *market[480:]]  # after a gap the window does not follow on
    for candles in (market, torn):
        assert _decisions(candles, afresh=False) == _decisions(candles, afresh=True)


def test_a_window_that_follows_on_is_not_derived_again(monkeypatch: pytest.MonkeyPatch) -> None:
    market, strategy = random_candles(6, 130), Trend()
    assert decide(market[:100], held(), strategy) is None

    def derive(_: Sequence[Candle]) -> Bars:
        raise AssertionError("derived again from all its candles")

    monkeypatch.setattr(Bars, "of", derive)
    for end in range(101, 131):
        strategy.decide(context({BTC: market[end - 100 : end]}, {}))
    with pytest.raises(AssertionError, match="derived again"):
        strategy.decide(context({BTC: market[28:128]}, {}))


def test_symbols_do_not_mix_in_what_is_kept() -> None:
    strategy, one, other = Trend(), random_candles(7, 400, move=0.002), random_candles(8, 400, move=0.002)
    for end in range(100, 400):
        both = {BTC: one[end - 100 : end], ETH: other[end - 100 : end]}
        assert strategy.decide(context(both, {})) == Trend().decide(context(both, {}))


def test_the_same_window_twice_is_decided_alike() -> None:
    strategy = Trend()
    assert decide(zigzag("0.5"), strategy=strategy) == decide(zigzag("0.5"), strategy=strategy) is not None


def test_exits_come_first_and_then_the_strongest_trend() -> None:
    weak, strong = zigzag("0.6"), zigzag("0.5")
    for first, second in ((weak, strong), (strong, weak)):
        entries = Trend().decide(context({BTC: first, ETH: second}, {}))
        assert [intent.symbol for intent in entries] == ([ETH, BTC] if second is strong else [BTC, ETH])
    intents = Trend().decide(context({BTC: strong, ETH: line(-1)}, {ETH: held(since=0)}))
    assert [type(intent) for intent in intents] == [Exit, Enter]


def test_equal_trends_are_in_the_order_of_their_names() -> None:
    intents = Trend().decide(context({ETH: zigzag("0.5"), BTC: zigzag("0.5")}, {}))
    assert [intent.symbol for intent in intents] == [BTC, ETH]
