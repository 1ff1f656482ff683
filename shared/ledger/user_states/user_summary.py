"""A user in short: what is needed for counting users, and for saying what stops them.

With thousands of users only those of a page are read as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.ledger.user_state import UserState


@dataclass(frozen=True, slots=True)
class UserSummary:
    """One user's state; `key_notes` are sentences about API keys, `stop_note` is why the user's own entries are stopped."""

    user: str
    state: UserState
    group: str = ""
    key_notes: tuple[str, ...] = ()
    stop_note: str = ""
