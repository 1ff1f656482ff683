"""The tokens of the private WebSocket: each belongs to the key that asked for it.

A token must be used within 15 minutes, and stays valid while a private subscription that used it lives (docs.kraken.com, Get
WebSockets Token). It is a secret: here it is kept by its digest alone, and it is in one answer, the one that makes it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from services.paper_exchange.core.account import ApiKey

LIFE: Final = 900
"""Seconds in which a token must be used."""


@dataclass(slots=True, eq=False)
class Token:
    """One token; `subscriptions` counts the living ones that it opened."""

    key: ApiKey
    until: float
    subscriptions: int = 0


@dataclass(slots=True)
class Tokens:
    """All tokens that are still good for something."""

    _tokens: dict[bytes, Token] = field(default_factory=dict, repr=False)

    def issue(self, key: ApiKey, now: float) -> str:
        """Return a new token of a key."""
        self._drop_expired(now)
        text = secrets.token_urlsafe(32)
        self._tokens[_digest(text)] = Token(key, now + LIFE)
        return text

    def find(self, text: str, now: float) -> Token | None:
        """Return a token that is valid now, and whose key still is."""
        token = self._tokens.get(_digest(text))
        if token is None or not _valid(token, now) or (token.key.valid_until and now >= token.key.valid_until):
            return None
        return token

    def _drop_expired(self, now: float) -> None:
        self._tokens = {digest: token for digest, token in self._tokens.items() if _valid(token, now)}


def _valid(token: Token, now: float) -> bool:
    return now < token.until or token.subscriptions > 0


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
