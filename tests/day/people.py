"""The twenty users of the day: between them every sizing mode, every limit, filters and exits of their own, at both venues.

Nine of them trade at Coinbase, two of those have an idle account at Kraken too. Nine copy the master's bot alone, six the
master's strategy `trend` alone, with a share of their equity, and five copy both into one account.

Settings are plain tables here, written out as the users' files and read by the judge, which must not depend on the
product's reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.day.masters.accounts import BOT, TREND, Masters

Table = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Person:
    """One user: the account it begins with, its file's sections, the venue where masters are copied, and another one.

    `trend_pct`: the share of the equity with which the strategy is copied; `copies_bot`: whether the bot is.
    """

    user: str
    cash: int
    settings: Table = field(default_factory=dict)
    venue: str = "kraken"
    idle_venue: str = ""
    copies_bot: bool = True
    trend_pct: int | None = None

    @property
    def masters(self) -> tuple[str, ...]:
        """Return the masters whose signals are copied."""
        return ((BOT,) if self.copies_bot else ()) + (() if self.trend_pct is None else (TREND,))

    def share_pct(self, master: str) -> int | None:
        """Return the share of the equity that a master's copies may have, in per cent; None where there is no such limit."""
        return self.trend_pct if master == TREND else None

    @property
    def venues(self) -> tuple[str, ...]:
        """Return where the user has accounts."""
        return tuple(filter(None, (self.idle_venue, self.venue)))

    def setting(self, section: str, key: str, default: Any = None) -> Any:  # whatever a setting can be
        """Return one setting."""
        return self.settings.get(section, {}).get(key, default)

    def toml(self, masters: Masters) -> str:
        """Write the file."""
        bots = masters.bot_venue
        place = self.venue if self.copies_bot else "none" if bots in self.venues else ""
        follow: dict[str, Mapping[str, Any]] = {"follow": {bots: place}} if place and place != bots else {}
        if self.trend_pct is not None:
            follow[f"follow.{TREND}"] = {"venue": self.venue, "share_pct": self.trend_pct}
        lines = []
        for section, values in {**self.settings, **follow}.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {_text(value)}" for key, value in values.items()]
        return "\n".join(lines) + "\n"


def _text(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


_LOOSE: Final = {"max_signal_age": "10s", "max_slippage_bps": 100}
_NO_STOP: Final = {"stop_loss_pct": "off"}

PEOPLE: Final = (
    Person("equity-plain", 5_000, {}, trend_pct=40),
    Person("equity-double", 8_000, {"sizing": {"multiplier": 2}, "guards": _LOOSE, "exits": _NO_STOP}, trend_pct=50),
    Person("equity-small", 150, {"sizing": {"multiplier": 0.5}}, venue="coinbase"),
    Person(
        "round-up",
        200,
        {"sizing": {"below_minimum": "round_up"}, "limits": {"max_order_pct": 10}},
        copies_bot=False,
        trend_pct=100,
    ),
    Person("cash-plain", 9_000, {"sizing": {"mode": "cash"}, "guards": _LOOSE}, copies_bot=False, trend_pct=100),
    Person(
        "cash-half",
        20_000,
        {"sizing": {"mode": "cash", "multiplier": 0.5}, "exits": {"trailing_pct": 2}},
        venue="coinbase",
    ),
    Person("fixed-plain", 6_000, {"sizing": {"mode": "fixed_quote", "quote_amount": 200}, "guards": _LOOSE}),
    Person(
        "fixed-capped",
        6_000,
        {"sizing": {"mode": "fixed_quote", "quote_amount": 500}, "limits": {"max_order_quote": 300}},
        venue="coinbase",
        copies_bot=False,
        trend_pct=10,
    ),
    Person(
        "tenth-of-master", 4_000, {"sizing": {"mode": "multiplier", "multiplier": 0.1}}, copies_bot=False, trend_pct=50
    ),
    Person(
        "more-than-master",
        6_000,
        {"sizing": {"mode": "multiplier", "multiplier": 1.5}, "limits": {"max_order_pct": 10}, "guards": _LOOSE},
        venue="coinbase",
    ),
    Person(
        "order-quote",
        5_000,
        {"sizing": {"multiplier": 3}, "limits": {"max_order_quote": 150}, "guards": _LOOSE},
        venue="coinbase",
        idle_venue="kraken",
        trend_pct=60,
    ),
    Person("one-position", 5_000, {"limits": {"max_positions": 1}, "guards": _LOOSE, "exits": _NO_STOP}),
    Person(
        "two-positions",
        5_000,
        {"sizing": {"multiplier": 2}, "limits": {"max_positions": 2}, "guards": _LOOSE},
        venue="coinbase",
        trend_pct=50,
    ),
    Person(
        "exposure",
        5_000,
        {"sizing": {"multiplier": 3}, "limits": {"max_exposure_pct": 25}, "guards": _LOOSE},
        venue="coinbase",
        idle_venue="kraken",
        trend_pct=20,
    ),
    Person(
        "symbol-share",
        5_000,
        {
            "sizing": {"multiplier": 3},
            "limits": {"max_symbol_pct": 5, "max_exposure_pct": 12},
            "guards": _LOOSE,
        },
    ),
    Person(
        "daily-loss",
        5_000,
        {
            "sizing": {"multiplier": 5},
            "limits": {"daily_loss_pct": 1, "on_stop_out": "close_all", "stop_out_lasts": "20s"},
            "guards": _LOOSE,
            "exits": _NO_STOP,
        },
    ),
    Person(
        "drawdown",
        5_000,
        {
            "sizing": {"multiplier": 4},
            "limits": {"max_drawdown_pct": 2, "stop_out_lasts": "15s"},
            "guards": _LOOSE,
            "exits": _NO_STOP,
        },
        venue="coinbase",
    ),
    Person(
        "few-trades",
        5_000,
        {"limits": {"max_trades_per_day": 5}, "guards": _LOOSE},
        venue="coinbase",
        copies_bot=False,
        trend_pct=100,
    ),
    Person(
        "no-eth",
        5_000,
        {
            "symbols": {"exclude": ["ETH/USD"]},
            "exits": {"stop_loss_pct": 2, "take_profit_pct": 1, "trailing_pct": 2},
            "guards": _LOOSE,
        },
        copies_bot=False,
        trend_pct=100,
    ),
    Person(
        "only-btc",
        5_000,
        {"symbols": {"include": ["BTC/USD"]}, "exits": {**_NO_STOP, "max_hold": "5s"}, "guards": _LOOSE},
    ),
)
