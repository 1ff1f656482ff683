"""Coinbase over HTTP: coinbase-advanced-py builds the requests, the process's HTTP session sends the bytes.

The library alone would parse the private key for each request, give each token two minutes, wait for ever, follow redirects and
print every failure with its body. Here its `set_headers` signs with the key that was parsed once, for as long as the caller says,
and its `send_request` sends with a time-out always set.

It must never send an order after its token has expired, nor anything but the bytes that were recorded, and never let a token or a
body into an exception. Sources: COINBASE.md, C1 to C6.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlencode, urlsplit

import jwt
from coinbase.constants import BASE_URL, USER_AGENT
from coinbase.rest.rest_base import RESTBase
from cryptography.hazmat.primitives.asymmetric import ed25519

from shared.config.keys.coinbase_key import PrivateKey
from shared.venues.answers import read_object
from shared.venues.http.session import HttpSession
from shared.venues.venue_clock import VenueTime

PREFIX: Final = "/api/v3/brokerage"
TOKEN_SPARE_MS: Final = 2_000
"""How much longer than its request's time-out a token lives."""
LONGEST_WAIT: Final = 60.0
"""Seconds; a longer wait that the venue asks for is not believed."""
_RETRY_AFTER: Final = 1.0
"""Seconds after a 429 without a header: the private limit is counted by the second (C5)."""
_NOT_BEFORE_SLACK: Final = 1
"""Seconds by which `nbf` lies in the past: our estimate of the venue's time may be a second ahead."""
_LONGEST_LIFE: Final = 115_000
"""Ms: a token that lives longer than two minutes is refused (C2)."""

for _name in ("coinbase.RESTClient", "coinbase.WSClient"):  # they print failures with their bodies
    logging.getLogger(_name).disabled = True  # a level the library would set again when its other module is imported

_STREAM_TOKEN_LIFE: Final = 60
"""Seconds; the message leaves at once, and the connection goes on without its token."""

_NEVER: Final = b"\0"
"""Occurs in no answer that can be read."""
_LONGEST_COUNT: Final = 10

Query = Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, its body if that is a JSON object, and how long to wait if it is a 429 (seconds)."""

    status: int
    body: dict[str, Any] | None
    size: int
    retry_after: float = 0.0
    remaining: int | None = None
    """How many calls the venue still takes now, where it says so (C5)."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key's name and its parsed private half; the representation shows neither."""

    name: str = field(repr=False)
    private: PrivateKey = field(repr=False)

    def token(self, uri: str, *, not_before: int, expires: int) -> str:
        """Return a token for one request, or without `uri` for one message of a stream; instants in epoch seconds (C2, C22)."""
        claims = {"sub": self.name, "iss": "cdp", "nbf": not_before, "exp": expires}
        return jwt.encode(
            claims | {"uri": uri} if uri else claims,
            self.private,
            algorithm="EdDSA" if isinstance(self.private, ed25519.Ed25519PrivateKey) else "ES256",
            headers={"kid": self.name, "nonce": secrets.token_hex()},
        )


class CoinbaseApi(RESTBase):  # type: ignore[misc]  # the library ships no types
    """coinbase-advanced-py with an asynchronous transport and tokens of a chosen life. One per API key, or one without a key."""

    def __init__(
        self, *, url: str, http: HttpSession, timeout: float, clock: VenueTime, key: SigningKey | None = None
    ) -> None:
        """`clock` is the venue's time, by which tokens are dated; it learns from the date of every answer."""
        super().__init__(api_key=None, api_secret=None, base_url=BASE_URL)
        self.session.close()  # not used here, and a thousand accounts would keep one each
        del self.session
        self.is_authenticated = key is not None
        self.uri = url.rstrip("/")
        self._key = key
        self._name = key.name.encode() if key is not None else _NEVER
        self._origin = http.origin(self.uri)
        self._base = urlsplit(self.uri).path  # a venue behind a path, such as that of a reverse proxy
        self._seconds = timeout
        self._clock = clock
        self._expires = 0
        self._text = ""

    @property
    def token_life_ms(self) -> int:
        """How long a token lives: its request's time-out and a little more."""
        return min(int(self._seconds * 1000) + TOKEN_SPARE_MS, _LONGEST_LIFE)

    async def ask(self, path: str, query: Query | None = None, *, public: bool = False) -> Reply:
        """Send a lookup once. Raises Unavailable (nothing left) or OutcomeUnknown (no whole answer)."""
        self._expires, self._text = (self._clock() + self.token_life_ms) // 1000, ""
        asking = self.get(PREFIX + path, params=dict(query or {}), public=public)
        return await cast("Awaitable[Reply]", asking)

    async def order(self, body: str, *, expires_at: int) -> Reply:
        """Send the text of an order once, under a token that expires at an instant (epoch ms). Raises as `ask`."""
        return await self.send("/orders", body, expires_at=expires_at)

    async def send(self, path: str, body: str, *, expires_at: int | None = None) -> Reply:
        """Post a text once. Raises as `ask`."""
        self._expires = (self._clock() + self.token_life_ms if expires_at is None else expires_at) // 1000
        self._text = body
        return await cast("Awaitable[Reply]", self.post(PREFIX + path, data=json.loads(body)))

    async def stream_token(self) -> str:
        """Return a fresh token for one message that subscribes to a channel (C22)."""
        if self._key is None:
            raise TypeError("a token needs a key")
        now = self._clock() // 1000
        return self._key.token("", not_before=now - _NOT_BEFORE_SLACK, expires=now + _STREAM_TOKEN_LIFE)

    def doubt(self) -> None:
        """Close the idle connections: one of them delivered an answer to another request."""
        self._origin.drop_idle()

    def set_headers(self, method: str, path: str) -> dict[str, str]:
        """Return the headers of a request, with a fresh token: called by the library right before `send_request`."""
        headers = {"User-Agent": USER_AGENT}
        if self._key is not None:
            not_before = min(self._clock() // 1000 - _NOT_BEFORE_SLACK, self._expires - 1)
            token = self._key.token(f"{method} {BASE_URL}{path}", not_before=not_before, expires=self._expires)
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def send_request(
        self,
        http_method: str,
        url_path: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        data: Mapping[str, Any] | None = None,
    ) -> Awaitable[Reply]:
        """Return the sending of a request, which the caller awaits at once."""
        del data  # an order's text is sent as it was recorded
        query = urlencode(params, doseq=True) if params else ""
        target = self._base + url_path + (f"?{query}" if query else "")
        return self._exchange(http_method, target, headers, self._text)

    async def _exchange(self, method: str, target: str, headers: Mapping[str, str], text: str) -> Reply:
        body = None
        if method == "POST":
            headers = {**headers, "Content-Type": "application/json"}
            body = text.encode()
        began = time.monotonic()
        answer = await self._origin.ask(
            "POST" if method == "POST" else "GET", target, headers, body, timeout=self._seconds
        )
        if answer.status < 500:  # those pages may be a gateway's, dated by its own clock
            self._clock.heard(answer.header(b"date"), answer.header(b"age"), began, time.monotonic())
        content = answer.body
        if self._name in content:  # its words are recorded and shown
            content = content.replace(self._name, b"[key]")
        reset, remaining = answer.header(b"x-ratelimit-reset"), answer.header(b"x-ratelimit-remaining")
        wait = _seconds(answer.header(b"retry-after") or reset) if answer.status == 429 else 0.0
        return Reply(answer.status, read_object(content), len(content), wait, _count(remaining))


def request_text(content: Mapping[str, Any]) -> str:
    """Return the text of a request: the same for the same content, so that a recorded one can be compared."""
    return json.dumps(content, separators=(",", ":"))


def _seconds(text: str) -> float:
    asked = _count(text)
    return _RETRY_AFTER if asked is None else min(max(asked, _RETRY_AFTER), LONGEST_WAIT)


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < _LONGEST_COUNT else None
