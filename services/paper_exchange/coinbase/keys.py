"""Public halves of the API keys: all that the venue keeps of a secret, parsed once.

A secret is a PEM with a P-256 key (ES256) or the base64 of an Ed25519 key (EdDSA): 64 bytes as Coinbase hands it out (seed and
public half), or the 32 bytes of the seed.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PAPER: Final = "PAPER/"
"""Begins the name of every key that the control plane makes; the rest has the form of a real name."""

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_CURVE: Final = ec.SECP256R1


def parse_secret(text: str) -> PublicKey:
    """Return the public half of a secret. Raises ValueError, without the secret, for what no client could sign with."""
    return _private(text).public_key()


def public_bytes(key: PublicKey) -> bytes:
    """Return the form in which two keys can be compared."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def new_name(token_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return a key name: `PAPER/organizations/<uuid>/apiKeys/<uuid>`."""
    organisation, key = (UUID(bytes=token_bytes(16), version=4) for _ in range(2))
    return f"{PAPER}organizations/{organisation}/apiKeys/{key}"


def new_secret(key_type: str) -> str:
    """Return a new secret: for `ecdsa` a PEM as Coinbase hands it out (SEC 1), for `ed25519` the base64 of 64 bytes."""
    if key_type == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
        return b64encode(private.private_bytes_raw() + private.public_key().public_bytes_raw()).decode()
    pem = ec.generate_private_key(_CURVE()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    return pem.decode()


def _private(text: str) -> _PrivateKey:
    if text.lstrip().startswith("-----BEGIN"):
        try:
            key = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
        except (ValueError, TypeError):
            raise ValueError("not a PEM with a private key") from None
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _CURVE):
            raise ValueError("neither a P-256 nor an Ed25519 key")
        return key
    try:
        raw = b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError("neither a PEM nor base64") from None
    if len(raw) not in {32, 64}:
        raise ValueError("an Ed25519 key has 32 or 64 bytes")
    return ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32])
