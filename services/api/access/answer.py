"""What is added to every answer: security headers, the cookie of a new visit, and the end of a stream whose session ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Send

from services.api.access import permissions
from services.api.access.cookies import VISIT, came_by_https, write_cookie

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The Content-Security-Policy of pages: scripts and styles from files of ours, nothing inline, nothing from elsewhere."""
_NO_STORE: Final = "no-store"

Message = MutableMapping[str, Any]


class SessionEnded(Exception):  # noqa: N818  # an event, not a mistake
    """The session of a long answer has ended, so nothing more is sent."""


class Answer:
    """One answer on its way out."""

    def __init__(
        self, request: Request, send: Send, visit: str, still_signed_in: Callable[[], Awaitable[bool]] | None
    ) -> None:
        """`visit` is the secret for a new cookie of a browser without a session; empty if it has one."""
        self._request = request
        self._send = send
        self._visit = visit
        self._still_signed_in = still_signed_in

    async def send(self, message: Message) -> None:
        """Send a part of the answer. Raises SessionEnded instead if the session has ended meanwhile."""
        if message["type"] == "http.response.start":
            self._add_headers(MutableHeaders(scope=message))
        elif message["type"] == "http.response.body" and self._still_signed_in and not await self._still_signed_in():
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise SessionEnded
        await self._send(message)

    def _add_headers(self, headers: MutableHeaders) -> None:
        if self._request.url.path not in permissions.HEALTH:
            headers["cache-control"] = _NO_STORE
        headers["cross-origin-resource-policy"] = "same-origin"  # no page of another site may embed an answer
        page = headers.get("content-type", "").startswith("text/html")
        if page:
            headers.setdefault("content-security-policy", PAGE_POLICY)
            # Not no-referrer: with that, browsers hide the origin of forms, and a forged one would look the same.
            headers["referrer-policy"] = "same-origin"
            headers["cross-origin-opener-policy"] = "same-origin"
        if self._visit and (page or self._request.url.path == permissions.SESSION):
            https = came_by_https(self._request)
            headers.append("set-cookie", write_cookie(VISIT, self._visit, https=https, same_site="Strict"))
