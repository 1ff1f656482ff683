"""The users of a run and their keys, made up anew each time; nothing of them is ever written to a file."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A user's id and his key at the bench's venue."""

    user: str
    key: str
    secret: str


def make_accounts(count: int) -> list[Account]:
    """Make up so many users, in the order of their names."""
    return [
        Account(
            f"u{number:05}",
            f"PAPER{secrets.token_hex(12)}",
            base64.b64encode(secrets.token_bytes(64)).decode(),
        )
        for number in range(count)
    ]


def environment(accounts: list[Account]) -> dict[str, str]:
    """Return the variables from which an executor reads these keys."""
    found = {}
    for account in accounts:
        stem = f"KRAKEN_USER_{account.user.upper()}_API"
        found[f"{stem}_KEY"] = account.key
        found[f"{stem}_SECRET"] = account.secret
    return found
