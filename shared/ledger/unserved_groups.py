"""Groups of users whom no executor serves, in words: nothing is copied for these users, and no exit is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from shared.ledger.live_processes import LiveProcess

_NAMED: Final = 5
"""Users that a sentence names at most."""


def describe_unserved_groups(users: Iterable[tuple[str, str]], processes: Sequence[LiveProcess]) -> list[str]:
    """Return a sentence for each group without an executor; `users` are group and name of those who are to be served."""
    members: dict[str, list[str]] = {}
    for group, user in users:
        if group:
            members.setdefault(group, []).append(user)
    return [
        f"group {group}: no executor serves it, so its users are not copied and no exit is sent ({_names(names)}): "
        f"start one with EXECUTOR_GROUPS={group}"
        for group, names in sorted(members.items())
        if not any(process.serves_group(group) for process in processes)
    ]


def _names(users: Sequence[str]) -> str:
    more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
    return ", ".join(users[:_NAMED]) + more
