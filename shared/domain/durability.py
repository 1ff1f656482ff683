"""How much a Redis must promise about keeping what it was told."""

from __future__ import annotations

from enum import StrEnum


class Durability(StrEnum):
    """What becomes of a server that may lose what it was told."""

    UNCHECKED = "unchecked"  # tools: `ops pause` must work on any Redis
    WARNED = "warned"  # paper money: one line in the log
    REQUIRED = "required"  # real money: refused
    TRUSTED = "trusted"  # real money, and the operator vouches for what cannot be asked
