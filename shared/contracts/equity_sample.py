"""The samples of an account's equity: the string `shoal:equity:{user}:<venue>:<step>`, a ring for each resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from shared.contracts.sample_ring import MINUTE_MS, SampleRing, read_amount, write_amount, write_minute

_DECIMALS: Final = 4
_STEP: Final = Decimal("0.0001")
_WIDE: Final = Context(prec=60)
_HOUR_MS: Final = 60 * MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS

EQUITY_STEPS: Final[Mapping[str, SampleRing]] = {
    "minute": SampleRing(MINUTE_MS, _HOUR_MS, 2),
    "quarter": SampleRing(15 * MINUTE_MS, _DAY_MS, 2),
    "hour": SampleRing(_HOUR_MS, 14 * _DAY_MS, 2),
    "half_day": SampleRing(12 * _HOUR_MS, 90 * _DAY_MS, 2),
}
"""By name, finest first: 17 kB for an account."""


@dataclass(frozen=True, slots=True)
class EquitySample:
    """The equity as the account's record states it, and the profit of copying, realised and unrealised; both in `currency`.

    To 4 decimals: a curve needs no more. None if it was not known: something that is held has no price.
    """

    currency: str
    equity: Decimal | None = None
    pnl: Decimal | None = None


def sampled(amount: Decimal | None) -> Decimal | None:
    """Round an amount as samples state it; None if it is not known."""
    return None if amount is None else amount.quantize(_STEP, context=_WIDE)


def write_sample(at: int, sample: EquitySample) -> str:
    """Return the record of a sample of the instant `at` (epoch ms), stated to the minute."""
    return f"{write_minute(at)}{write_amount(sample.equity, _DECIMALS)}{write_amount(sample.pnl, _DECIMALS)}"


def read_samples(text: str, step: SampleRing, since: int = 0) -> list[tuple[int, EquitySample]]:
    """Return the samples of a ring from `since` (epoch ms) on, oldest first, each with its minute in epoch ms."""
    currency, found = step.read(text, since)
    return [(at, EquitySample(currency, *(read_amount(each, _DECIMALS) for each in amounts))) for at, amounts in found]
