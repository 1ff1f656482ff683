"""A connection on which the server also sends what no command asked for: the pushes of RESP3.

They go to a callback; answers go to their callers as on any `Wire`. The caller has to send HELLO 3 first, on each new connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection

from shared.bus.client.server import Connector
from shared.bus.client.wire import Link, Wire

Pushed = Callable[[list[Any]], None]
"""Takes the words of a push; must not raise."""


class PushWire(Wire):
    """Sends commands as `Wire` does, and passes on pushes."""

    def __init__(self, server: Connector, timeout: float, lost: Callable[[], None], pushed: Pushed) -> None:
        """See `Wire`; `pushed` is called with each push."""
        super().__init__(server, timeout, lost)
        self._pushed = pushed

    def _link_over(self, connection: AbstractConnection) -> Link:
        return _PushLink(connection, self._timeout, self._pushed)


class _PushLink(Link):
    def __init__(self, connection: AbstractConnection, timeout: float, pushed: Pushed) -> None:
        super().__init__(connection, timeout)
        self._reader = _Answers(self._reader, pushed)  # type: ignore[assignment]  # of a reader only these two are used


class _Answers:
    """A reader that returns the answers alone."""

    def __init__(self, reader: hiredis.Reader, pushed: Pushed) -> None:
        self.feed = reader.feed
        self._gets = reader.gets
        self._pushed = pushed

    def gets(self) -> Any:
        """Return the next answer, as hiredis does."""
        answer = self._gets()
        while answer.__class__ is hiredis.PushNotification:
            self._pushed(answer)
            answer = self._gets()
        return answer
