"""A user's own settings, as values. `config/users.py` reads them from the user's file and refuses what makes no sense."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.domain.money import ONE

RESERVED_NAMES: Final = frozenset({"master", "copy-engine"})
"""Names of Redis hash tags that belong to Shoal itself."""


class BelowMinimum(StrEnum):
    """What becomes of an entry that the venue would refuse as too small."""

    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class SizingPolicy:
    """How a master's size becomes the user's: by the ratio of equities, times `multiplier`."""

    multiplier: Decimal = ONE
    below_minimum: BelowMinimum = BelowMinimum.SKIP


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """Caps per entry: a share of equity in per cent, an amount in quote currency; None is no cap."""

    max_order_pct: Decimal | None = None
    max_order_quote: Decimal | None = None


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """What makes an entry too old (ms) or too dear (basis points from the master's fill)."""

    max_signal_age_ms: int = 30_000
    max_slippage_bps: Decimal = Decimal(50)


@dataclass(frozen=True, slots=True)
class UserPolicy:
    """Everything one user has set."""

    user: str
    enabled: bool
    venues: tuple[str, ...]
    sizing: SizingPolicy = field(default_factory=SizingPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    guards: GuardPolicy = field(default_factory=GuardPolicy)
