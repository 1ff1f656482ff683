"""A denial of ours. It is a value and not an exception: it is written down, reported and explained like any other outcome."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skip:
    """Why something is not done, with the numbers."""

    reason: str
