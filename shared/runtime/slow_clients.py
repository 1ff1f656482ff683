"""An HTTP connection that must not be held open for nothing: a whole request has to come within seconds of its beginning.

Uvicorn waits for ever for the first request, and for the end of one that has begun. Some hundreds who send a byte now and then
would take all connections that a process may have. So each is given a time, and if too many wait, the oldest is closed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_WITHIN: Final = 10.0
"""Seconds from the connection, or from the first byte of a later request, to the request's end."""
MOST_WAITING: Final = 128
"""Connections at once of which no whole request has come."""


class GuardedConnection(HttpToolsProtocol):
    """Uvicorn's protocol, with an end to waiting. `waiting` is shared by all connections of a process, the oldest first."""

    waiting: dict[GuardedConnection, asyncio.TimerHandle] = {}  # noqa: RUF012  # of the process, on purpose

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """Begin a request; the first has its time from the connection on."""
        super().on_message_begin()
        if self not in self.waiting:
            self._wait()

    def on_message_complete(self) -> None:
        """Stop waiting: uvicorn's own keep-alive time begins after the answer."""
        self._stop_waiting()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self.waiting[self] = loop.call_later(REQUEST_WITHIN, self._give_up)
        if len(self.waiting) > MOST_WAITING:
            next(iter(self.waiting))._give_up()  # noqa: SLF001  # another of this class

    def _stop_waiting(self) -> None:
        if (timer := self.waiting.pop(self, None)) is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._stop_waiting()
        self.transport.abort()
