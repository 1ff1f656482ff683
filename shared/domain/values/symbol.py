"""Symbols: `BTC/USD`, the same text on every venue. A venue's own spelling never leaves its adapter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_SHAPE: Final = re.compile(r"[A-Z0-9.]{1,16}/[A-Z0-9.]{1,16}")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A spot pair: `base` is bought and sold, `quote` pays for it."""

    base: str
    quote: str

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> Symbol:
        """Parse `BASE/QUOTE` in capitals. Raises ValueError for anything else."""
        if not _SHAPE.fullmatch(text):
            raise ValueError(f"not a symbol like BTC/USD: {text!r}")
        base, quote = text.split("/")
        return Symbol(base, quote)

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"
