"""The users of a run and their keys, made up anew each time; nothing of them is ever written to a file."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True, slots=True)
class Account:
    """A user's id and his key at the bench's venue."""

    user: str
    key: str
    secret: str
    venue: str = "kraken"


def make_accounts(count: int, venue: str = "kraken") -> list[Account]:
    """Make up so many users, in the order of their names, with keys as one venue hands them out."""
    make = _key_of_coinbase if venue == "coinbase" else _key_of_kraken
    return [Account(f"u{number:05}", *make(), venue) for number in range(count)]


def _key_of_kraken() -> tuple[str, str]:
    return f"PAPER{secrets.token_hex(12)}", base64.b64encode(secrets.token_bytes(64)).decode()


def _key_of_coinbase() -> tuple[str, str]:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    return f"PAPER/organizations/{uuid4()}/apiKeys/{uuid4()}", pem.decode()


def environment(accounts: list[Account]) -> dict[str, str]:
    """Return the variables from which an executor reads these keys."""
    found = {}
    for account in accounts:
        stem = f"{account.venue.upper()}_USER_{account.user.upper()}_API"
        found[f"{stem}_KEY"] = account.key
        found[f"{stem}_SECRET"] = account.secret
    return found
