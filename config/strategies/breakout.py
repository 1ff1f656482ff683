"""An example: buy when the price leaves its range of the last candles upwards, with a stop and a target. It promises no profit.

In `config/strategy.toml`: `strategy = "breakout:Breakout"`. How to write your own: shared/strategies/README.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.file.values import Percent
from shared.strategies.port import Context, Enter, Exit, Intent


class Breakout:
    """Long above the highest close of `candles`; out below the lowest, or by the plan that is recorded with the position."""

    name = "breakout"

    class Settings(BaseModel):
        """The table [settings] of the file."""

        model_config = ConfigDict(extra="forbid")
        candles: Annotated[int, Field(ge=2, le=200)] = 20
        entry_pct: Percent = Decimal(3)
        stop_pct: Percent = Decimal(2)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.needs = settings.candles + 1

    def decide(self, context: Context) -> Sequence[Intent]:
        """Return what to buy and sell; called with each new candle."""
        intents: list[Intent] = []
        for symbol, candles in context.candles.items():
            close, before = candles[-1].close, [candle.close for candle in candles[-self.needs : -1]]
            if symbol in context.holdings:
                if close < min(before):
                    intents.append(Exit(symbol, Decimal(1), f"close {close} below the range"))
            elif close > max(before):
                risk = close * self.settings.stop_pct / 100
                plan = ExitPlan(close - risk, (Target(close + risk, Decimal("0.5")),), break_even=close, trail=risk)
                share = self.settings.entry_pct / 100
                intents.append(Enter(symbol, share, f"close {close} above the range", plan))
        return intents
