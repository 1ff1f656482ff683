"""The checks of access in Kraken's order: key and its addresses, lockout, signature, nonce. What fails is never processed.

The signature covers the raw bytes of the body; the nonce must be above the last accepted one of its key, or, with a nonce
window, not older than the window and not used before. An equal nonce is always rejected.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Final

from services.paper_exchange.core.account import ApiKey
from services.paper_exchange.core.journal import LARGEST
from services.paper_exchange.kraken import errors


@dataclass(frozen=True, slots=True)
class LockoutRule:
    """After this many bad signatures or nonces in a row a key is locked out; each further try restarts the time."""

    failures: int = 5
    seconds: float = 900.0


@dataclass(slots=True)
class _Failures:
    count: int = 0
    until: float = 0.0


class Gate:
    """The checks of every private request."""

    def __init__(self, keys: dict[str, ApiKey], rule: LockoutRule) -> None:
        self._keys = keys
        self._rule = rule
        self._failures: dict[str, _Failures] = {}

    def key(self, name: str) -> ApiKey | None:
        """Return the key of this name."""
        return self._keys.get(name)

    def admit(self, key: ApiKey, path: str, body: bytes, nonce: str, signature: bytes, now: float) -> str:
        """Return the error string, empty if the request is admitted; its nonce is then used up."""
        failed = self._failures.get(key.name)
        if failed is not None and now < failed.until:
            failed.until = now + self._rule.seconds
            return errors.LOCKOUT
        if key.valid_until and now >= key.valid_until:
            return self._fail(key, errors.INVALID_KEY, now)
        if not hmac.compare_digest(sign(key.secret, path, nonce, body), signature):
            return self._fail(key, errors.INVALID_SIGNATURE, now)
        if not _accept_nonce(key, nonce):
            return self._fail(key, errors.INVALID_NONCE, now)
        if failed is not None:
            del self._failures[key.name]
        return ""

    def _fail(self, key: ApiKey, error: str, now: float) -> str:
        failed = self._failures.setdefault(key.name, _Failures())
        failed.count += 1
        if failed.count >= self._rule.failures:
            failed.count, failed.until = 0, now + self._rule.seconds
        return error


def admits_address(key: ApiKey, address: str) -> bool:
    """Return whether a key may be used from an address: one of its list, if it has one. An unknown address is admitted."""
    if not key.ip_allowlist or not address:
        return True
    return any(ip_address(address) in ip_network(each, strict=False) for each in key.ip_allowlist)


def sign(secret: bytes, path: str, nonce: str, body: bytes) -> bytes:
    """Return the value of `API-Sign`: HMAC-SHA512 over the path and SHA-256(nonce + body), in base64."""
    message = path.encode() + sha256(nonce.encode() + body).digest()
    return b64encode(hmac.digest(secret, message, "sha512"))


MAX_DIGITS: Final = 20


def _accept_nonce(key: ApiKey, text: str) -> bool:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        return False
    nonce = int(text)
    if nonce > LARGEST:
        return False
    if nonce > key.last_nonce:
        if key.nonce_window:
            floor = nonce - key.nonce_window
            key.recent_nonces = {used for used in key.recent_nonces if used > floor} | {nonce}
        key.last_nonce = nonce
        return True
    if key.nonce_window and nonce > key.last_nonce - key.nonce_window and nonce not in key.recent_nonces:
        key.recent_nonces.add(nonce)
        return True
    return False
