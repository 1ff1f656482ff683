"""The paper Kraken's WebSocket v2: who may connect, and what each connection is given."""

from __future__ import annotations

from typing import Final

from services.paper_exchange.kraken.streams.connection import Connection
from services.paper_exchange.kraken.streams.context import StreamContext
from services.paper_exchange.kraken.streams.limits import ConnectLimit, MessageLimit
from services.paper_exchange.sockets import Socket

TOO_MANY: Final = 429
VENUE: Final = "kraken"


class KrakenStreams:
    """All connections; with `limited` an address may connect, and a client may send, only so often."""

    def __init__(self, context: StreamContext, *, limited: bool) -> None:
        self._context = context
        self._limited = limited
        self._connects = ConnectLimit()

    def admit(self, socket: Socket) -> int:
        """Return the HTTP status with which a connection is refused; 0 accepts it."""
        faults = self._context.faults
        refused = faults.armed and faults.effect("stream_connect_429", "") is not None
        if self._limited and not refused:
            refused = not self._connects.admits(socket.client, self._context.clock.now())
        if refused:
            self._context.register.refused[VENUE] += 1
        return TOO_MANY if refused else 0

    async def serve(self, socket: Socket) -> None:
        """Serve one connection until it ends."""
        live = self._context.register.opened(VENUE, socket.client, self._context.clock.now())
        try:
            await Connection(self._context, socket, live, MessageLimit() if self._limited else None).run()
        finally:
            self._context.register.closed(live)
