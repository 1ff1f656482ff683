"""Coinbase's WebSockets as the application serves them: the limits of connections, and which connections there are.

At the venue they have addresses of their own (advanced-trade-ws.coinbase.com, advanced-trade-ws-user.coinbase.com), each with
every channel that is here; the paper exchange has one, at every path but Kraken's.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from services.paper_exchange.coinbase.limits import RateLimits
from services.paper_exchange.coinbase.streams.connection import Connection
from services.paper_exchange.coinbase.streams.schedule import CallLater
from services.paper_exchange.coinbase.streams.statistics import Statistics
from services.paper_exchange.coinbase.venue import NAME, CoinbaseVenue
from services.paper_exchange.core.instrument import TradingStatus
from services.paper_exchange.sockets import Socket
from services.paper_exchange.streaming.register import StreamRegister

CONNECTIONS_PER_SECOND: Final = 8  # per address (docs.cdp.coinbase.com, WebSocket rate limits)
MESSAGES_PER_SECOND: Final = 8  # per address, of those without a token
IDLE: Final = (60.0, 90.0)
"""Seconds after which an idle connection is closed, somewhere between."""


class CoinbaseStreams:
    """The streams of the paper Coinbase."""

    def __init__(
        self,
        venue: CoinbaseVenue,
        register: StreamRegister,
        *,
        limited: bool = True,
        rng: random.Random | None = None,
    ) -> None:
        self.connections: list[Connection] = []
        self._venue = venue
        self._register = register
        self._limited = limited
        self._rng = rng or random.SystemRandom()
        self._handshakes, self._messages = RateLimits(), RateLimits()
        self._statistics = Statistics(venue.exchange)
        self._by_user: dict[str, Connection] = {}

    def admit(self, socket: Socket) -> int:
        """Return the HTTP status with which the connection is refused; 0 accepts it."""
        status = self._refusal(socket)
        if status:
            self._register.refused[NAME] += 1
        return status

    async def serve(self, socket: Socket) -> None:
        """Serve one connection until it ends."""
        connection = self.open(socket, asyncio.get_running_loop().call_later)
        try:
            while not socket.ended.is_set():
                connection.receive(await socket.text())
        finally:
            self.close(connection)

    def open(self, socket: Socket, call_later: CallLater) -> Connection:
        """Begin a connection."""
        live = self._register.opened(NAME, socket.client, self._venue.exchange.clock.now())
        connection = Connection(
            socket,
            live,
            self._venue,
            self._statistics,
            call_later,
            counts=lambda: self._fits(self._messages, socket.client, MESSAGES_PER_SECOND),
            identify=lambda user, api_key: self._register.identified(live, user, api_key),
            claim=self._claim,
            idle_most=self._rng.uniform(*IDLE),
        )
        self.connections.append(connection)
        return connection

    def close(self, connection: Connection) -> None:
        """End a connection."""
        connection.close()
        self.connections.remove(connection)
        self._register.closed(connection.live)
        for user, holder in list(self._by_user.items()):
            if holder is connection:
                del self._by_user[user]

    def _refusal(self, socket: Socket) -> int:
        exchange = self._venue.exchange
        if exchange.faults.effect("stream_connect_429", "", venue=NAME) is not None:
            return 429
        if exchange.rules.mode("") is TradingStatus.MAINTENANCE:
            exchange.rules.count("maintenance_mode", "")
            return 503
        return 0 if self._fits(self._handshakes, socket.client, CONNECTIONS_PER_SECOND) else 429

    def _claim(self, user: str, connection: Connection) -> None:
        """Make a connection the user's only one with the private channel: an older one is closed (assumed; the page
        says that one connection per user is expected).
        """
        former = self._by_user.get(user)
        self._by_user[user] = connection
        if former is not None and former is not connection:
            former.close()
            former.socket.close()

    def _fits(self, limits: RateLimits, address: str, limit: int) -> bool:
        return not self._limited or limits.count(address, self._venue.exchange.clock.now(), limit).fits
