"""A denial of ours. It is a value and not an exception: it is written down, reported and explained like any other outcome."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.reason import ReasonCode


@dataclass(frozen=True, slots=True)
class Skip:
    """Why something is not done: a sentence with the numbers for people, and a code for programs."""

    reason: str
    code: ReasonCode
