"""What the harness does by hand: it tells signals as the master does, and uses a key as its owner did before Shoal had it."""

from __future__ import annotations

import hmac
import time
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import redis

from shared.bus.scripts import load
from tests.support.stack import Stack

_BALANCE: Final = "/0/private/Balance"


def emit(client: redis.Redis, fields: Mapping[str, str]) -> None:
    """Append a signal by the master's own script, which appends each id once: repeating is harmless."""
    flat = [part for pair in fields.items() for part in pair]
    keys = ["shoal:signals", "shoal:emitted:{shoal:signals}"]
    client.eval(load("emit_signal").text, 2, *keys, fields["id"], fields["emitted_at"], "0", *flat)


def use_key(stack: Stack, user: str) -> None:
    """Make one private call, so that the exchange has already seen a high nonce of this key."""
    key, secret = stack.keys[user]
    nonce = str(time.time_ns() // 1000)
    body = f"nonce={nonce}".encode()
    message = _BALANCE.encode() + sha256(nonce.encode() + body).digest()
    headers = {"API-Key": key, "API-Sign": b64encode(hmac.digest(b64decode(secret), message, "sha512")).decode()}
    request = urllib.request.Request(f"http://127.0.0.1:{stack.paper_port}{_BALANCE}", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # the URL is built right here
        assert b'"error":[]' in answer.read()
