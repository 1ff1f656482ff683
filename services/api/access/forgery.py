"""Recognises changes that another site makes a browser send: a token in the form, and where the request came from.

Both must hold. The token is derived from the cookie's secret, so it needs no storage, ends with the session, and no other site
can read it. A request with a bearer token needs neither: no browser adds that header by itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import HTTPConnection

from services.api.access.cookies import came_by_https
from shared.config.venue.origins import read_origin

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

FIELD: Final = "csrf"
HEADER: Final = "x-csrf-token"
_LARGEST_FORM: Final = 256 * 1024
_MOST_FIELDS: Final = 1000
_FORM: Final = "application/x-www-form-urlencoded"


class FormTooLarge(Exception):  # noqa: N818  # a state, named as one
    """The body is larger than any form of ours."""


def token_for(secret: str) -> str:
    """Return the token of forms for a cookie's secret."""
    return hmac.new(secret.encode(), b"shoal csrf", hashlib.sha256).hexdigest()


def is_token_for(secret: str, given: str) -> bool:
    """Return whether a token belongs to a cookie's secret."""
    return hmac.compare_digest(token_for(secret).encode(), given.encode("utf-8", "surrogatepass"))


def is_from_elsewhere(connection: HTTPConnection, origins: Iterable[str]) -> bool:
    """Return whether the browser says that another site began the request; `origins` are known beside the request's own.

    Neither header present: not a browser of this decade, and the token alone decides.
    """
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is not None and site not in {"same-origin", "none"}:
        return True
    if origin is None or (origin == "null" and site == "same-origin"):
        return False
    return origin.lower() not in {*origins, *_own_origins(connection)}


async def read_token(connection: HTTPConnection, receive: Receive, *, form_only: bool) -> tuple[str, Receive]:
    """Return the token of a request, and what receives its body again. Raises FormTooLarge.

    With `form_only` it must be in a form, whose size is bounded here: so a client without a session cannot send a large body.
    """
    if not form_only and (given := connection.headers.get(HEADER)) is not None:
        return given, receive
    if connection.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return "", receive
    body = await _read_body(receive)
    try:
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        fields = []
    tokens = [value for name, value in fields if name == FIELD]
    return tokens[0] if len(tokens) == 1 else "", _again(body, receive)


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it, without the scheme's default port. Raises ValueError."""
    origin = read_origin(url)
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    default = {"http": 80, "https": 443}[origin.scheme]
    return f"{origin.scheme}://{host}" + ("" if origin.port == default else f":{origin.port}")


def _own_origins(connection: HTTPConnection) -> set[str]:
    host = connection.headers.get("host", "").lower()
    schemes = ("https",) if came_by_https(connection) else ("http", "https")
    return {f"{scheme}://{host}" for scheme in schemes} if host else set()


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        piece: bytes = message.get("body", b"")
        body += piece
        if len(body) > _LARGEST_FORM:
            raise FormTooLarge
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
