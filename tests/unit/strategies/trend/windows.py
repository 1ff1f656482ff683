"""Windows of candles whose indicators a reader can work out, and the edge at which a rule changes its mind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.indicators import Bars
from shared.strategies.port import Context, Enter, Exit, Holding
from shared.strategies.trend import Trend, TrendSettings
from shared.strategies.trend.reading import Reading
from shared.venues.port import Candle
from tests.unit.master_strategy.values import BTC, NOW, usd

PERIOD: Final = 300_000
COUNT: Final = 100
Number = Decimal | int | float | str


def decimal(value: Number) -> Decimal:
    """Return the number as it is written."""
    return Decimal(str(value))


def window(closes: Iterable[Number], *, wick: Number = 0, volume: Number = 10, bodies: bool = True) -> list[Candle]:
    """Return five-minute candles: each opens at the close before (without `bodies` at its own), with wicks above and below."""
    found: list[Candle] = []
    for index, close in enumerate(map(decimal, closes)):
        opened = found[-1].close if found and bodies else close
        found.append(
            Candle(
                NOW + index * PERIOD,
                opened,
                max(opened, close) + decimal(wick),
                min(opened, close) - decimal(wick),
                close,
                decimal(volume),
            )
        )
    return found


def line(step: Number, *, count: int = COUNT, start: Number = 1000, wick: Number = 0) -> list[Candle]:
    """Return a window whose closes move by `step` each."""
    return window((decimal(start) + index * decimal(step) for index in range(count)), wick=wick)


def zigzag(back: Number, *, count: int = COUNT, start: Number = 1000, ends_up: bool = True) -> list[Candle]:
    """Return a window that goes up by 1, down by `back`, and so on: the nearer `back` is to 1, the lower is the ADX."""
    close, closes = decimal(start), []
    for index in range(count):
        close += 1 if (count - index) % 2 == ends_up else -decimal(back)
        closes.append(close)
    return window(closes, wick=1, bodies=False)


def mirrored(candles: Sequence[Candle]) -> list[Candle]:
    """Return the candles upside down around 1000."""
    return [
        replace(each, open=2000 - each.open, high=2000 - each.low, low=2000 - each.high, close=2000 - each.close)
        for each in candles
    ]


def with_volumes(candles: Sequence[Candle], *volumes: Number) -> list[Candle]:
    """Return the candles with these as the volumes of the newest."""
    kept, changed = candles[: -len(volumes)], candles[-len(volumes) :]
    return [*kept, *(replace(each, volume=decimal(volume)) for each, volume in zip(changed, volumes, strict=True))]


def with_last(candles: Sequence[Candle], **fields: Number) -> list[Candle]:
    """Return the candles with another last one."""
    changed: dict[str, Any] = {name: decimal(value) for name, value in fields.items()}
    return [*candles[:-1], replace(candles[-1], **changed)]


def reading(candles: Sequence[Candle], **settings: Any) -> Reading:
    """Return what the rules look at."""
    return Reading(tuple(candles), Bars.of(candles), TrendSettings(**settings))


def held(plan: ExitPlan | None = None, *, since: int = COUNT) -> Holding:
    """Return a position that was bought when `since` candles were there."""
    return Holding(Quantity(Decimal(1), "BTC"), Price(Decimal(1000), BTC), NOW + since * PERIOD, plan)


def decide(
    candles: Sequence[Candle], holding: Holding | None = None, strategy: Trend | None = None, **settings: Any
) -> Enter | Exit | None:
    """Return what `trend` does about one symbol."""
    chosen = strategy or Trend(TrendSettings(**settings))
    intents = chosen.decide(context({BTC: candles}, {} if holding is None else {BTC: holding}))
    assert len(intents) <= 1
    return intents[0] if intents else None


def context(candles: Mapping[Symbol, Sequence[Candle]], holdings: Mapping[Symbol, Holding]) -> Context:
    """Return a context at the end of the newest candle."""
    now = max((each[-1].opened_at for each in candles.values()), default=NOW) + PERIOD
    return Context(now=now, candles=candles, holdings=holdings, equity=usd("10000"))


def edge(holds: Callable[[Decimal], bool], no: Number, yes: Number) -> tuple[Decimal, Decimal]:
    """Return two numbers that are very near each other: the rule does not hold at the first, and does at the second."""
    outside, inside = decimal(no), decimal(yes)
    assert not holds(outside)
    assert holds(inside)
    while abs(inside - outside) > Decimal("1e-9"):
        middle = (inside + outside) / 2
        outside, inside = (outside, middle) if holds(middle) else (middle, inside)
    return outside, inside
