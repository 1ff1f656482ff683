"""The secret of a Coinbase key: what can be one, and what is wrong with a text that cannot.

Coinbase gives out a private key: ECDSA on P-256 as PEM, or Ed25519 as base64 (docs.cdp.coinbase.com, *API key authentication*).
A text passes through editors, shells and env files before it arrives here, so every form that can still be read is accepted, and
every usual mistake has its own words. No text here contains any part of what was given.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
"""The two kinds of keys that Coinbase gives out."""

_PEM: Final = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", re.DOTALL)
_BEGINS: Final = "-----BEGIN"
_LINE: Final = 64
_SEED: Final = frozenset({32, 64})
"""Bytes of an Ed25519 key: the seed alone, or with the public half behind it."""
_MULTI_LINE: Final = "give the value in a file (the variable with _FILE), or in one line with \\n for each line break"

_SWAPPED: Final = "the secret is the name of a key: key and secret are swapped"
_MISTAKES: Final = tuple(
    (re.compile(shape), words)
    for shape, words in (
        (r"^$", "the secret is empty"),
        (r"^\{", "the secret is the whole JSON file: name that file in the key's own variable with _FILE"),
        (r"^[\"']", "the secret has quotes around it: take them away"),
        (r"organizations/|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", _SWAPPED),
        (r"^.{32}$", "the secret is one of 32 characters, of a legacy key; make a new key in the CDP portal"),
        (r"^([0-9a-fA-F]{64}){1,2}$", "the secret is in hexadecimal; Coinbase shows it as PEM or base64"),
        (r"^[A-Za-z0-9]*[_-][A-Za-z0-9_-]*={0,2}$", "the secret is base64url; Coinbase shows it as PEM or base64"),
        (r"[^A-Za-z0-9+/=]|=[^=]", "the secret is neither PEM nor base64, the two forms that Coinbase shows"),
    )
)
"""What a text that is no PEM can be instead of base64, and what to say; the first that matches."""


def parse_secret(text: str) -> PrivateKey:
    """Return the private key that a text contains. Raises ValueError naming the mistake, without any part of the text."""
    given = text.strip()
    if _BEGINS in given:
        return _pem(given)
    return _ed25519(given)


def find_name_fault(name: str) -> str:
    """Return why a text cannot be the name of a Coinbase key; an empty text if it can."""
    if not name.strip():
        return "the API key is empty"
    if _BEGINS in name:
        return "the API key is a private key: key and secret are swapped"
    if not (name.isascii() and name.isprintable()):
        return "the API key has characters that never occur in the name of a key of Coinbase"
    return ""


def find_secret_fault(text: str) -> str:
    """Return why a text cannot be the secret of a Coinbase key; an empty text if it can."""
    try:
        parse_secret(text)
    except ValueError as error:
        return str(error)
    return ""


def read_key_file(text: str) -> tuple[str, str] | None:
    """Return the name and the private key of the JSON file that Coinbase offers for download; None for a text that is no JSON.

    Raises ValueError for other JSON, without any part of it.
    """
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(
            "begins as JSON and cannot be read as such: download the file again, or save it unchanged"
        ) from None
    name, secret = found.get("name") or found.get("id"), found.get("privateKey")
    if not (isinstance(name, str) and isinstance(secret, str) and name.strip() and secret.strip()):
        raise ValueError("is JSON without the name (or id) and the privateKey of a Coinbase key")
    return name.strip(), secret.strip()


def _pem(given: str) -> PrivateKey:
    if given.startswith("{"):
        raise ValueError("the secret is the whole JSON file: name that file in the key's own variable with _FILE")
    if given[0] in "\"'":
        raise ValueError(f"the secret has quotes around it: {_MULTI_LINE}")
    if "\\\\n" in given:
        raise ValueError(f"the secret has \\\\n in it, escaped twice: {_MULTI_LINE}")
    plain = given.replace("\\r", "").replace("\\n", "\n")
    blocks = list(_PEM.finditer(plain))
    found = next((each for each in blocks if "PRIVATE" in each.group(1)), blocks[0] if blocks else None)
    if found is None:
        raise ValueError(f"the secret ends before its last line: {_MULTI_LINE}")
    label, body = found.group(1), "".join(found.group(2).split())
    if "PUBLIC" in label:
        raise ValueError("the secret is a public key: the private one is needed")
    if "ENCRYPTED" in label:
        raise ValueError("the secret is an encrypted key: Coinbase gives out keys without a password")
    lines = [body[at : at + _LINE] for at in range(0, len(body), _LINE)]
    pem = "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the secret is a damaged PEM: a part of it is missing or changed") from None
    return _usable(key)


def _usable(key: PrivateKeyTypes) -> PrivateKey:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    kind = "a key of another kind"
    if isinstance(key, rsa.RSAPrivateKey):
        kind = "an RSA key"
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        kind = "an EC key on another curve than P-256"
    raise ValueError(f"the secret is {kind}; Coinbase's are ECDSA (P-256) or Ed25519")


def _ed25519(given: str) -> PrivateKey:
    body = "".join(given.split())
    if mistake := next((words for shape, words in _MISTAKES if shape.search(body)), ""):
        raise ValueError(mistake)
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is base64 that was cut: some characters are missing") from None
    if _is_der(raw):
        raise ValueError(f"the secret lacks its BEGIN and END lines: {_MULTI_LINE}")
    if len(raw) not in _SEED:
        raise ValueError("the secret is base64 of another length than an Ed25519 key has: 32 or 64 bytes")
    return ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32])


def _is_der(raw: bytes) -> bool:
    """Return whether this is what stands between the BEGIN and END lines of a private key."""
    try:
        serialization.load_der_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True
