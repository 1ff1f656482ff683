"""Closes HTTP connections of slow clients: a whole request has to arrive within seconds of its beginning.

Uvicorn waits for ever for the first request, and for the end of one that has begun. A few hundred clients that send a byte now
and then would use up all connections of a process. So each gets a time limit, and if too many wait, the oldest is closed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_WITHIN: Final = 10.0
"""Seconds from the connection, or from the first byte of a later request, to the request's end."""
MOST_WAITING: Final = 128
"""How many connections may wait for a whole request at once."""


class GuardedConnection(HttpToolsProtocol):
    """Uvicorn's protocol with a time limit. `waiting` is shared by all connections of a process, the oldest first."""

    waiting: dict[GuardedConnection, asyncio.TimerHandle] = {}  # noqa: RUF012  # of the process, on purpose

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the time limit of the first request."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """Start the time limit of a later request; that of the first began with the connection."""
        super().on_message_begin()
        if self not in self.waiting:
            self._wait()

    def on_message_complete(self) -> None:
        """Stop the time limit: uvicorn's own keep-alive time-out begins after the answer."""
        self._stop_waiting()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
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
