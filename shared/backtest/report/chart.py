"""A line chart of daily values as inline SVG: no script, no request; readable in light and dark, and by a screen reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

_WIDTH: Final = 860
_LEFT: Final = 62
_RIGHT: Final = 38
_TOP: Final = 12
_BOTTOM: Final = 26
_TICKS: Final = 5
_DATES: Final = 6
COLOURS: Final = 8
"""How many classes `line-0`, `line-1`, ... the style sheet has; more lines than that begin again."""


@dataclass(frozen=True, slots=True)
class Line:
    """A named series, one value per instant, in per cent."""

    name: str
    values: Sequence[float]


def line_chart(title: str, instants: Sequence[int], lines: Sequence[Line], height: int = 300) -> str:
    """Return the chart; instants in epoch ms, at least two of them; every line has as many values."""
    low = min(min(line.values) for line in lines)
    high = max(max(line.values) for line in lines)
    steps = _ticks(low, high)
    scale = _Scale(instants[0], instants[-1], min(low, steps[0]), max(high, steps[-1]), height)
    return "\n".join(
        (
            f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">',
            *(_gridline(scale, step) for step in steps),
            *(_date(scale, instant) for instant in _dates(instants)),
            *(_polyline(scale, instants, line, place) for place, line in enumerate(lines)),
            "</svg>",
        )
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start: int
    end: int
    low: float
    high: float
    height: int

    def x(self, instant: int) -> float:
        span = max(self.end - self.start, 1)
        return _LEFT + (instant - self.start) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return self.height - _BOTTOM - (value - self.low) / span * (self.height - _TOP - _BOTTOM)


def _ticks(low: float, high: float) -> list[float]:
    """Return round values from below the lowest to above the highest."""
    rough = max(high - low, 0.1) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _dates(instants: Sequence[int]) -> list[int]:
    every = max(1, (len(instants) - 1) // _DATES)
    return list(instants[::every])


def _gridline(scale: _Scale, value: float) -> str:
    y = scale.y(value)
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.4g} %</text>'
    )


def _date(scale: _Scale, instant: int) -> str:
    text = datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d")
    return f'<text class="tick" x="{scale.x(instant):.1f}" y="{scale.height - 6}" text-anchor="middle">{text}</text>'


def _polyline(scale: _Scale, instants: Sequence[int], line: Line, place: int) -> str:
    points = " ".join(
        f"{scale.x(at):.1f},{scale.y(value):.1f}" for at, value in zip(instants, line.values, strict=True)
    )
    title = f"<title>{escape(line.name)}</title>"
    return f'<polyline class="line line-{place % COLOURS}" points="{points}">{title}</polyline>'
