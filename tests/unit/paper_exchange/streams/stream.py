"""A client of the paper Kraken's WebSocket v2 without a socket: what it says is answered at once, what it is sent is kept."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

from services.paper_exchange.kraken.streams.connection import Connection
from services.paper_exchange.kraken.streams.limits import MessageLimit
from services.paper_exchange.kraken.streams.server import KrakenStreams
from tests.unit.paper_exchange.venue import Client, Venue

Row = dict[str, Any]


class Line:
    """A connection that only keeps what is sent. `end` is how the exchange ended it: a code, or "cut"."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.end: int | str = ""
        self.incoming: asyncio.Queue[str] = asyncio.Queue()
        self.sent = asyncio.Event()

    def send(self, text: str) -> None:
        if not self.end:
            self.texts.append(text)
            self.sent.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.end = self.end or code

    def cut(self) -> None:
        self.end = self.end or "cut"

    async def text(self) -> str:
        return await self.incoming.get()


class Stream:
    """One connection, greeted."""

    def __init__(self, venue: Venue, *, limited: bool = False) -> None:
        streams = venue.streams
        assert isinstance(streams, KrakenStreams)
        self.context = streams._context
        self.line = Line()
        self.live = self.context.register.opened("kraken", "192.0.2.1", venue.clock.now())
        limit = MessageLimit() if limited else None
        self.connection = Connection(self.context, self.line, self.live, limit)
        self.connection.greet()
        self._read = 0

    def say(self, message: Any) -> None:
        """Send a message as JSON, a text as it is."""
        self.connection.answer(message if isinstance(message, str) else json.dumps(message))

    def heard(self) -> list[Row]:
        """Return the messages since the last time, amounts as Decimal."""
        fresh = [json.loads(text, parse_float=Decimal) for text in self.line.texts[self._read :]]
        self._read = len(self.line.texts)
        return fresh

    async def wait_for(self, count: int) -> list[Row]:
        """Wait until so many messages have come since the last time, and return them."""
        while len(self.line.texts) < self._read + count:
            self.line.sent.clear()
            await self.line.sent.wait()
        return self.heard()

    def ask(self, method: str, req_id: int | None = None, **params: Any) -> Row:
        """Send a request whose answer is one message, and return that."""
        self.say({"method": method, "params": params} | ({} if req_id is None else {"req_id": req_id}))
        (answer,) = self.heard()
        return answer

    def subscribe(self, client: Client | None = None, **params: Any) -> list[Row]:
        """Subscribe, with a new token of a client where one is given. Return what follows the acknowledgement."""
        self.heard()
        token = {} if client is None else {"token": token_of(client)}
        self.say({"method": "subscribe", "params": {**params, **token}})
        acknowledged, *others = self.heard()
        assert acknowledged["success"] is True, acknowledged
        return others

    def watch(self, client: Client, **params: Any) -> None:
        """Subscribe to the executions of a client, and read the snapshot."""
        self.subscribe(client, channel="executions", **params)

    async def rows(self, channel: str = "executions") -> list[Row]:
        """Return the rows of a channel since the last time, of all messages together."""
        await asyncio.sleep(0)
        return [row for message in self.heard() if message.get("channel") == channel for row in message["data"]]

    def second(self) -> None:
        """Let a second pass."""
        self.connection.second()


def token_of(client: Client) -> str:
    """Ask for a token."""
    token: str = client.ok("GetWebSocketsToken")["token"]
    return token
