"""What a backtest assumes and what it leaves out, in the words that stand beside its figures. A figure without them misleads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.backtest.fill_model import FillModel
from shared.domain.values.money import plain

_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Gaps:
    """Candles that are missing between the first and the last one of each pair, of all pairs together."""

    missing: int = 0
    longest: str = ""
    """The longest gap: how many candles, of which pair, from when on."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What was run, for the head of a report."""

    strategies: Sequence[str]
    symbols: Sequence[str]
    minutes: int
    source: str
    """Where the candles are from: a folder, or the seed of a generated market."""
    fees: Mapping[str, Decimal]
    """Taker fees by venue, as fractions."""
    fills: FillModel
    gaps: Gaps = Gaps()


def assumed(setting: Setting) -> Sequence[str]:
    """Return the assumptions of a run, one sentence each."""
    fees = ", ".join(f"{plain(fee * _PERCENT)} % at {venue}" for venue, fee in setting.fees.items())
    fills = setting.fills
    return (
        (
            f"Decided at a candle's close, filled at the next open, worse by {plain(fills.slippage_bps)} bps; a user's copy by "
            f"{plain(fills.copy_slippage_bps)} bps more. Taker fees: {fees}."
        ),
        "Stops and targets within a candle: the worse order of events; each fills at its own price with that slippage.",
        _missing(setting.gaps),
        (
            "Figures by daily returns (UTC), 365 days a year, risk-free rate 0; equity at the last close of the day, "
            "so a drawdown within a day is not in them. Exposure: the share of candles at whose close something was held. Trades "
            "are closed round trips."
        ),
    )


def _missing(gaps: Gaps) -> str:
    if not gaps.missing:
        return "No candle is missing."
    return (
        f"{gaps.missing:,} candles are missing, the longest gap is {gaps.longest} UTC. Over a gap nothing is decided until "
        "there are enough candles after it; an entry does not wait for a late candle, an exit does."
    )


NOT_MODELLED: Final = (
    "the depth of the book: a large order moves the real price further",
    "rejected orders, outages, rate limits, partial fills and the delay of a copy, beyond the slippage above",
    "fee tiers by volume, maker fees, taxes, deposits and withdrawals",
    "the venue's minimums and steps of then: those known today are used",
    "scans in batches (scan_batch): every pair is looked at with each of its candles",
    "the first seconds of a candle, in which the master enters nothing (settle_seconds): an entry fills at the candle's open",
    "stages of the canary ladder, kill switches, mirrored limit orders, positions opened before the start",
)
"""What no figure of a backtest contains."""
