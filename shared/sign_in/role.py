"""The roles. Stable words: they are stored in Redis and written to the log."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a signed-in person or program may do."""

    VIEWER = "viewer"  # sees everything, changes nothing
    OPERATOR = "operator"  # sees and does everything
    FOLLOWER = "follower"  # sees and pauses one account: their own
