"""Tests of the example: `python -m pytest config/strategies`. Candles go in, intents come out; nothing else is needed."""

from __future__ import annotations

from decimal import Decimal

from breakout import Breakout

from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.frame import Caps, EntryHistory, Frame
from shared.strategies.port import Enter, Exit
from shared.strategies.testing import candles, context, holding

STRATEGY = Breakout(Breakout.Settings(candles=3, entry_pct=Decimal(4), stop_pct=Decimal(2)))


def test_a_close_above_the_range_is_bought_with_a_stop_and_a_target() -> None:
    [intent] = STRATEGY.decide(context({"BTC/USD": candles(100, 102, 101, 103)}))
    assert isinstance(intent, Enter)
    assert intent.share == Decimal("0.04")
    assert intent.plan == ExitPlan(
        stop=Decimal("100.94"),
        targets=(Target(Decimal("105.06"), Decimal("0.5")),),
        break_even=Decimal(103),
        trail=Decimal("2.06"),
    )


def test_within_the_range_nothing_happens() -> None:
    assert STRATEGY.decide(context({"BTC/USD": candles(100, 102, 101, 102)})) == []
    held = {"BTC/USD": holding("BTC/USD", "0.5", price=101)}
    assert STRATEGY.decide(context({"BTC/USD": candles(100, 102, 101, 100)}, held)) == []


def test_a_close_below_the_range_is_sold() -> None:
    held = {"BTC/USD": holding("BTC/USD", "0.5", price=101)}
    [intent] = STRATEGY.decide(context({"BTC/USD": candles(100, 102, 101, 99)}, held))
    assert isinstance(intent, Exit)
    assert intent.fraction == 1


def test_its_intents_pass_the_frame_that_the_master_runs() -> None:
    seen = context({"BTC/USD": candles(100, 102, 101, 103), "ETH/USD": candles(100, 102, 101, 103)})
    decided = Frame(STRATEGY, Caps(max_positions=1)).decide(seen, EntryHistory())
    assert [str(intent.symbol) for intent in decided.intents] == ["BTC/USD"]
    assert [refused.reason for refused in decided.refused] == ["1 positions of at most 1"]
