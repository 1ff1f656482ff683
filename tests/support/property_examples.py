"""How many examples a property is tried with, in proportion to the profile that was chosen (`tests/conftest.py`)."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

PROFILE: Final = "HYPOTHESIS_PROFILE"
_FULL: Final = 100


def load_profile() -> None:
    """Register the profiles and load the one that the environment names."""
    # How long an example takes says something about the machine, which may stall at any moment, and nothing about Shoal.
    settings.register_profile("shoal", max_examples=_FULL, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    # For `make unit`: a look between two edits.
    settings.register_profile("fast", settings.get_profile("shoal"), max_examples=_FULL // 10)
    settings.load_profile(os.environ.get(PROFILE, "shoal"))


def scaled(count: int) -> int:
    """Scale a property's own number of examples (under the full profile) to the loaded profile, at least one."""
    return max(1, count * settings().max_examples // _FULL)


def scaled_books(count: int) -> int:
    """Return how many random days or months of books are tried: as many as `make books` asks for, else as `scaled`."""
    return int(os.environ.get("BOOKS_DAYS", "0")) or scaled(count)


def describe() -> str:
    """Describe how many there are in one line, for the head of the report."""
    loaded = settings().max_examples
    fewer = "" if loaded >= _FULL else f" instead of {_FULL}, since {PROFILE}={os.environ.get(PROFILE)}"
    return f"properties: {loaded} examples each{fewer}"
