"""The operator's request to end a stop-out early: a field of `shoal:control:{user}`, read by the executor.

It names the stop-out by its end, so that it ends exactly the one that the operator saw, and never a later one.
"""

from __future__ import annotations


def lift_field(venue: str) -> str:
    """Return the name of the field: `lift_kraken`. Its value is the end (epoch ms) of the stop-out to be lifted."""
    return f"lift_{venue}"
