"""AddOrder as bytes, signed as Kraken wants it: the least that any client has to do for an order."""

from __future__ import annotations

import hmac
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from tests.bench.accounts import Account

PATH: Final = b"/0/private/AddOrder"


class Signer:
    """One key's orders, each with the next nonce. Sources: docs.kraken.com `guides/rest/authentication`."""

    def __init__(self, account: Account, host: str) -> None:
        self._secret = b64decode(account.secret)
        self._nonce = time.time_ns() // 1_000
        # Kraken takes no deadline that is further off than a minute; nobody here sends for as long.
        deadline = quote((datetime.now(UTC) + timedelta(seconds=55)).strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        # All fields that Shoal sends; the id differs per order in Shoal as well, but nobody looks at it here.
        self._fields = (
            f"&pair=XBTUSD&type=buy&ordertype=limit&volume=0.01&cl_ord_id={uuid4()}"
            f"&deadline={deadline}&oflags=fciq&price=60300.0&timeinforce=IOC"
        ).encode()
        self._head = (
            f"POST {PATH.decode()} HTTP/1.1\r\nHost: {host}\r\nAPI-Key: {account.key}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
        ).encode()

    def sign(self) -> tuple[bytes, bytes]:
        """Return the next order's body and its signature."""
        self._nonce += 1
        nonce = b"%d" % self._nonce
        body = b"nonce=" + nonce + self._fields
        return body, b64encode(hmac.digest(self._secret, PATH + sha256(nonce + body).digest(), "sha512"))

    def request(self) -> bytes:
        """Return the next order as it goes out."""
        body, signature = self.sign()
        return b"%sAPI-Sign: %s\r\nContent-Length: %d\r\n\r\n%s" % (self._head, signature, len(body), body)
