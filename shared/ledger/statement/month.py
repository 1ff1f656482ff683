"""A calendar month, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_SHAPE: Final = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of a year, written as `2026-11`."""

    year: int
    number: int

    @staticmethod
    def parse(text: str) -> Month:
        """Parse `2026-11`. Raises ValueError for anything else."""
        match = _SHAPE.fullmatch(text)
        if match is None:
            raise ValueError(f"not a month like 2026-11: {text!r}")
        return Month(int(match[1]), int(match[2]))

    @staticmethod
    def of(instant: int) -> Month:
        """Return the month of an instant (epoch ms)."""
        at = datetime.fromtimestamp(instant / 1000, UTC)
        return Month(at.year, at.month)

    @property
    def next(self) -> Month:
        """Return the month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def begins(self) -> int:
        """Return the instant (epoch ms) at which it begins."""
        return int(datetime(self.year, self.number, 1, tzinfo=UTC).timestamp()) * 1000

    @property
    def ends(self) -> int:
        """Return the instant (epoch ms) at which the next one begins."""
        return self.next.begins

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02}"
