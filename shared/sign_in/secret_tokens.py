"""Random tokens that stand for a person or a program: sessions, links, tokens of scripts.

Only the hash of a token may be stored. It needs no salt and no slow hash: a token has 256 random bits, so it cannot be guessed
from its hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{32,96}")


def new_token(prefix: str = "") -> str:
    """Return a token of 256 random bits; `prefix` lets people and secret scanners recognise its kind."""
    return prefix + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Return whether a text has the shape of a token: anything else needs no question to Redis."""
    return _SHAPE.fullmatch(text) is not None


def digest(token: str) -> str:
    """Return the hash by which a token is stored: 64 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()
