"""Hashes and verifies passwords with Argon2id, at the parameters that OWASP recommends.

A password must never be stored, logged or compared in another way. A hash takes about 40 ms of a core and 19 MiB: a service runs
it in a thread, and bounds how many run at once (`services/api/access/sign_in/verifier.py`).
"""

from __future__ import annotations

import secrets
import unicodedata
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB of memory, two iterations, one lane.
_MEMORY_KIB: Final = 19_456
_ITERATIONS: Final = 2
_LANES: Final = 1
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32

SHORTEST: Final = 12
LONGEST: Final = 256
"""Bounds of a password in characters. There is no rule about their kinds: length is what counts."""
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that look alike."""
_GROUPS: Final = 5


def hash_password(password: str) -> str:
    """Return the hash of a password with its salt and parameters, in the PHC format."""
    hasher = Argon2id(
        salt=secrets.token_bytes(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=_ITERATIONS,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return hasher.derive_phc_encoded(_material(password))


def verify_password(password: str, stored: str) -> bool:
    """Return whether a password has this hash; False for a hash that cannot be read."""
    try:
        Argon2id.verify_phc_encoded(_material(password), stored)
    except (InvalidKey, ValueError):
        return False
    return True


def objection(password: str) -> str:
    """Return why a password cannot be used; an empty string if it can."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"a password has {SHORTEST} to {LONGEST} characters"
    if len(set(password)) < SHORTEST // 2:
        return f"a password has at least {SHORTEST // 2} different characters"
    return ""


def new_password() -> str:
    """Return a random password that can be read aloud and typed: 20 characters in groups of four, 99 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(_GROUPS))


def _material(password: str) -> bytes:
    """Return the bytes of a password: the same for every way in which a keyboard may compose its characters."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
