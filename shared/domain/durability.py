"""How strictly Redis must guarantee that acknowledged writes are not lost."""

from __future__ import annotations

from enum import StrEnum


class Durability(StrEnum):
    """How a Redis server that may lose acknowledged writes is treated."""

    UNCHECKED = "unchecked"  # tools: `ops pause` must work on any Redis
    WARNED = "warned"  # paper money: one line in the log
    REQUIRED = "required"  # real money: the server is refused
    TRUSTED = "trusted"  # real money, and the operator vouches for a server that cannot be checked
