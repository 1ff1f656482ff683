"""Identifiers in the format of each venue."""

from __future__ import annotations

import random
from base64 import b32encode
from uuid import UUID


class Ids:
    """Random ids: `O` + 5 - 5 - 6 for orders, `T...` for trades, `L...` for ledger entries."""

    def __init__(self, rng: random.Random) -> None:
        self._bits = rng.getrandbits

    def make(self, prefix: str) -> str:
        """Return a new id with this first letter."""
        text = b32encode(self._bits(80).to_bytes(10, "big")).decode()
        return f"{prefix}{text[:5]}-{text[5:10]}-{text[10:]}"


class UuidIds(Ids):
    """Random ids of a venue that names everything by UUID."""

    def make(self, prefix: str) -> str:
        """Return a new id; the kind of thing cannot be seen from it."""
        del prefix
        return str(UUID(int=self._bits(128), version=4))
