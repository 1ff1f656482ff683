"""The error of a strategy that cannot be used."""

from __future__ import annotations


class UnusableStrategyError(ValueError):
    """A name that is not a strategy, or a class that cannot be one; the text says why, and what to write instead."""
