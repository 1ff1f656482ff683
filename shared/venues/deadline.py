"""The instant at which an order's arrival ends at the venue: how long a send may take, and no later than its age allows."""

from __future__ import annotations


def deadline_of(now: int, *, life_ms: int, shortest_ms: int, latest_at: int | None) -> int:
    """Return the deadline of an order whose send begins at `now`; all instants are the venue's time, epoch ms.

    `latest_at` brings it forward, but never nearer than `shortest_ms`: the venue refuses a nearer one, or it could not be met.
    """
    if latest_at is None:
        return now + life_ms
    return min(now + life_ms, max(latest_at, now + shortest_ms))
