"""How often something was not done, by reason, with the first sentence of each as its example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.order import Kind


@dataclass(frozen=True, slots=True)
class SkipCount:
    """One reason of entries or exits: a code of `ReasonCode`, or one of the backtest's own."""

    kind: Kind
    code: str
    count: int
    example: str


class SkipCounts:
    """Counts in the order of the first occurrence."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Kind, str], int] = {}
        self._examples: dict[tuple[Kind, str], str] = {}

    def add(self, kind: Kind, code: str, reason: str) -> None:
        """Count one."""
        key = kind, str(code)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._examples.setdefault(key, reason)

    def listed(self) -> Sequence[SkipCount]:
        """Return all counts, the largest first."""
        found = [
            SkipCount(kind, code, count, self._examples[kind, code]) for (kind, code), count in self._counts.items()
        ]
        return sorted(found, key=lambda each: -each.count)
