"""A client of the paper Coinbase's WebSockets without a network: what it sends goes in, what the venue sends is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from services.paper_exchange.coinbase.streams.connection import Connection
from services.paper_exchange.coinbase.streams.server import CoinbaseStreams
from services.paper_exchange.core.market.clock import ManualClock
from services.paper_exchange.sockets import Socket
from tests.unit.paper_exchange.coinbase.bench import Bench, Client


class FakeSocket(Socket):
    """Keeps what is sent, and how the connection ended."""

    def __init__(self, address: str = "9.9.9.9") -> None:
        super().__init__({"path": "/", "headers": [], "client": (address, 1)})
        self.texts: list[str] = []
        self.ending = ""

    def send(self, text: str) -> None:
        if not self.ending:
            self.texts.append(text)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.ending = self.ending or f"closed {code}"

    def cut(self) -> None:
        self.ending = self.ending or "cut"


class Timer:
    """One action to come."""

    def __init__(self, at: float, action: Callable[[], None]) -> None:
        self.at = at
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualLoop:
    """Runs scheduled actions when the clock of a test moves, each at its own instant."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self._timers: list[Timer] = []

    def call_later(self, seconds: float, action: Callable[[], None]) -> Timer:
        timer = Timer(self.clock.now() + seconds, action)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        end = self.clock.now() + seconds
        while due := [each for each in self._timers if not each.cancelled and each.at <= end]:
            first = min(due, key=lambda each: each.at)
            self._timers.remove(first)
            self.clock.advance(max(0.0, first.at - self.clock.now()))
            first.action()
        self.clock.advance(end - self.clock.now())


class Wire:
    """One connection, and the messages that came since they were last read."""

    def __init__(self, desk: Desk, connection: Connection, socket: FakeSocket) -> None:
        self.desk = desk
        self.connection = connection
        self.socket = socket

    def say(self, **message: Any) -> None:
        self.connection.receive(json.dumps(message))

    def subscribe(self, channel: str, *products: str, key: Client | None = None, jwt: str = "") -> list[Any]:
        """Subscribe and return what came of it."""
        return self._request("subscribe", channel, products, key, jwt)

    def unsubscribe(self, channel: str, *products: str, key: Client | None = None) -> list[Any]:
        return self._request("unsubscribe", channel, products, key, "")

    def read(self) -> list[Any]:
        """Return the messages since the last call."""
        found = [json.loads(text) for text in self.socket.texts]
        self.socket.texts.clear()
        return found

    def rows(self) -> list[Any]:
        """Return the rows of the orders in the messages since the last call."""
        return [row for event in self.events("user") for row in event["orders"]]

    def events(self, channel: str) -> Iterator[Any]:
        for message in self.read():
            if message.get("channel") == channel:
                yield from message["events"]

    def _request(self, kind: str, channel: str, products: tuple[str, ...], key: Client | None, jwt: str) -> list[Any]:
        token = jwt or (token_of(key) if key is not None else "")
        self.say(type=kind, channel=channel, product_ids=list(products), **({"jwt": token} if token else {}))
        return self.read()


class Desk:
    """The streams of a bench, and its connections."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.loop = ManualLoop(bench.clock)
        streams = bench.application._streams["coinbase"]
        assert isinstance(streams, CoinbaseStreams)
        self.streams = streams

    def connect(self, address: str = "9.9.9.9") -> Wire:
        socket = FakeSocket(address)
        return Wire(self, self.streams.open(socket, self.loop.call_later), socket)

    def listen(self, key: Client, *products: str) -> Wire:
        """Connect, subscribe to the private channel, and drop what that brings."""
        wire = self.connect()
        answers = wire.subscribe("user", *products, key=key)
        assert answers[-1]["channel"] == "subscriptions", answers
        return wire

    def pass_time(self, seconds: float) -> None:
        """Let time pass; the market loop runs as it does in the service."""
        for _ in range(max(1, round(seconds / 0.25))):
            self.loop.advance(seconds / max(1, round(seconds / 0.25)))
            self.bench.exchange.catch_up()
            self.bench.exchange.market.advance()


def stream_claims(key: Client) -> dict[str, Any]:
    """Return the claims of a token for a WebSocket message: those of a request, without a request."""
    claims = key.claims("GET", "/")
    del claims["uri"]
    return claims


def token_of(key: Client) -> str:
    """Return a token as coinbase-advanced-py makes it for a WebSocket message."""
    return key.sign(stream_claims(key))
