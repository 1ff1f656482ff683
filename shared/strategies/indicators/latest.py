"""The newest two values of an indicator, for rules that ask whether it rises, and the error of too little data."""

from __future__ import annotations

from typing import NamedTuple


class Latest(NamedTuple):
    """The value at the newest candle, and the one before, both by the same window of candles."""

    previous: float
    value: float


def require(count: int, needed: int, name: str) -> None:
    """Raise ValueError unless an indicator has as many values as its warm-up needs."""
    if count < needed:
        raise ValueError(f"{count} values give no {name}: it needs {needed}")
