"""Kraken over HTTP: krakenex knows the paths and the signature, the process's HTTP session sends the bytes.

krakenex alone would open a connection pool per key, wait for ever and make its nonces from the clock's milliseconds, which
collide. Here its `_nonce` returns the nonce that the lane allocated, and its `_query` sends with a time-out always set.

It must never send a signed request twice, never send anything but the bytes that were signed, and never let a header or a body
into an exception.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import krakenex

from shared.venues.answers import read_object
from shared.venues.errors import OutcomeUnknown, Unavailable, presentable
from shared.venues.http.session import HttpSession
from shared.venues.kraken.errors import LONGEST_WAIT
from shared.venues.venue_clock import VenueTime

_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"
_RETRY_AFTER: Final = 5.0  # seconds after a 429 without the header
_PLAIN_FORM: Final = re.compile(r"[A-Za-z0-9_.~:=&-]*")
_NO_TEXT: Final = "an error that is not a string"
_OK: Final = frozenset({200, 201, 202})


@dataclass(frozen=True, slots=True)
class Reply:
    """Kraken's answer: its texts, warnings included, and the result, which may be None, `{}` or `[]` beside an error."""

    texts: tuple[str, ...]
    result: Any


class KrakenApi(krakenex.API):  # type: ignore[misc]  # krakenex ships no types
    """krakenex with the lane's nonces and an asynchronous transport. One per API key; the lane serialises its use."""

    def __init__(
        self,
        *,
        url: str,
        http: HttpSession,
        timeout: float,
        api_key: str = "",
        api_secret: str = "",
        clock: VenueTime | None = None,
    ) -> None:
        """Prepare the calls of one key; without a key, the public ones. `clock` learns from the date of every answer."""
        super().__init__(key=api_key, secret=api_secret)
        # The requests session is not used here, and a thousand accounts would keep one each.
        unused = self.__dict__["session"]
        del self.__dict__["session"]
        self._agent = str(unused.headers["User-Agent"])
        unused.close()
        self.uri = url.rstrip("/")
        self._origin = http.origin(self.uri)
        self._base = urlsplit(self.uri).path  # a venue behind a path, such as that of a reverse proxy
        self._timeout = timeout
        self._clock = clock
        self._allocated = 0
        self._form = ""
        self._mac = hmac.new(base64.b64decode(api_secret), digestmod=hashlib.sha512)

    async def public(self, method: str, params: Mapping[str, str]) -> Reply:
        """Call a public method. Raises Unavailable (nothing left) or OutcomeUnknown (no readable answer)."""
        reply: Reply = await self.query_public(method, dict(params))
        return reply

    async def private(self, method: str, params: Mapping[str, str], nonce: int) -> Reply:
        """Sign with this nonce and send once. Raises Unavailable (nothing left) or OutcomeUnknown (no readable answer)."""
        self._allocated = nonce
        reply: Reply = await self.query_private(method, dict(params))  # a copy: krakenex writes the nonce into it
        return reply

    @property
    def last_nonce(self) -> int:
        """Return the nonce of the last private call of this process; 0 before the first."""
        return self._allocated

    def doubt(self) -> None:
        """Close the idle connections: one of them delivered an answer to another request."""
        self._origin.drop_idle()

    def redact(self, text: str) -> str:
        """Return a text of the venue without the key, in case it ever repeats it."""
        return text.replace(self.key, "[key]") if self.key else text

    def _nonce(self) -> int:
        return self._allocated

    def _sign(self, data: Mapping[str, Any], urlpath: str) -> str:
        """Sign as krakenex does (a test compares them), but encode the form once for both the signature and the request.

        HMAC-SHA512 under the decoded secret of the path and SHA-256 of nonce and form: docs.kraken.com
        `guides/rest/authentication`.
        """
        self._form = form_of(data)
        mac = self._mac.copy()
        mac.update(urlpath.encode() + hashlib.sha256(f"{data['nonce']}{self._form}".encode()).digest())
        return base64.b64encode(mac.digest()).decode()

    async def _query(
        self, urlpath: str, data: Mapping[str, Any], headers: Mapping[str, str] | None = None, timeout: object = None
    ) -> Reply:
        del timeout  # krakenex's own is optional; ours is not
        sent = {"User-Agent": self._agent, **(headers or {})}
        post = "/public/" not in urlpath
        form = self._form if post else form_of(data)  # exactly what was signed: the lane sends one request at a time
        if post:
            sent["Content-Type"] = _FORM
        target = self._base + urlpath + ("" if post or not form else "?" + form)
        began = time.monotonic()
        answer = await self._origin.ask(
            "POST" if post else "GET", target, sent, form.encode() if post else None, timeout=self._timeout
        )
        if self._clock is not None and answer.status < 500:  # those pages may be a gateway's, dated by its own clock
            self._clock.heard(answer.header(b"date"), answer.header(b"age"), began, time.monotonic())
        try:
            return read_reply(answer.status, answer.body, answer.header(b"retry-after"))
        except OutcomeUnknown:
            self.doubt()  # a gateway that answered for Kraken may deliver Kraken's own answer later
            raise


def form_of(data: Mapping[str, Any]) -> str:
    """Encode a form as `urllib.parse.urlencode` does, at a fifth of its cost if only colons need quoting.

    That is so for every order: names, numbers, ids and instants contain no other reserved character.
    """
    form = "&".join([f"{name}={value}" for name, value in data.items()])
    if _PLAIN_FORM.fullmatch(form) and form.count("=") == len(data) and form.count("&") == max(len(data) - 1, 0):
        return form.replace(":", "%3A")
    return urlencode(data)


def read_reply(status: int, raw: bytes, retry_after: str = "") -> Reply:
    """Parse an answer's envelope, `{"error": [...], "result": ...}` (docs.kraken.com `guides/rest/responses`).

    Raises Unavailable for a 429, which is refused before it is processed, and OutcomeUnknown for anything that is not an envelope
    or has the status of a server's failure. `result` may be missing beside an error.
    """
    if status == 429:
        raise Unavailable("HTTP 429: too many requests", _seconds(retry_after))
    envelope = read_object(raw) if status in _OK or 400 <= status < 500 else None
    texts = _texts(envelope)
    if envelope is None or (not texts and (status not in _OK or "result" not in envelope)):
        raise OutcomeUnknown(f"HTTP {status} with {len(raw)} bytes that are not an answer of Kraken")
    return Reply(texts, envelope.get("result"))


def _texts(envelope: dict[str, Any] | None) -> tuple[str, ...]:
    found = (envelope or {}).get("error") or []
    rows = found if isinstance(found, list) else (found,)
    return tuple(presentable(row) if isinstance(row, str) else _NO_TEXT for row in rows)


def _seconds(text: str) -> float:
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else _RETRY_AFTER
