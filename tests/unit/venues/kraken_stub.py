"""A scripted Kraken on a real socket: answers what a test queued, and keeps every request as it arrived.

For the failures that need a wire: dropped connections, silence, pages of HTML, bodies cut short. It checks nothing; the paper
exchange does that in the contract suite.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "aclass_base": "currency",
        "base": "XXBT",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "fees": [],
        "fees_maker": [],
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    },
    "XDGUSD": {
        "altname": "XDGUSD",
        "wsname": "XDG/USD",
        "base": "XXDG",
        "quote": "ZUSD",
        "pair_decimals": 7,
        "lot_decimals": 8,
        "ordermin": "50",
        "costmin": "0.5",
        "tick_size": "0.0000001",
        "status": "online",
    },
}
ASSETS = {"XXBT": {"altname": "XBT"}, "XXDG": {"altname": "XDG"}, "ZUSD": {"altname": "USD"}, "SOL": {"altname": "SOL"}}


@dataclass(frozen=True)
class Raw:
    """An answer that is no envelope. `length` lies about its size; `drop` closes without any; `gate` is waited for first."""

    body: bytes = b""
    status: int = 200
    headers: tuple[str, ...] = ()
    length: int | None = None
    drop: bool = False
    gate: asyncio.Event | None = None


def refusal(*texts: str) -> Raw:
    """An error as Kraken sends it, without a result."""
    return Raw(json.dumps({"error": list(texts)}).encode())


def result(value: Any, *texts: str) -> Raw:
    """A result, with warnings beside it."""
    return Raw(json.dumps({"error": list(texts), "result": value}).encode())


@dataclass(frozen=True)
class Arrived:
    """A request as it came."""

    verb: str
    path: str
    query: str
    headers: dict[str, str]
    body: str

    @property
    def method(self) -> str:
        """The Kraken method."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def form(self) -> dict[str, str]:
        """The form fields."""
        return {name: values[0] for name, values in parse_qs(self.body or self.query, keep_blank_values=True).items()}


@dataclass
class KrakenStub:
    """The server. Queue answers with `answer`; unqueued private methods answer an empty result."""

    requests: list[Arrived] = field(default_factory=list)
    url: str = ""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every request; clear it to wait for the next."""
    connections: int = 0
    _answers: dict[str, deque[Raw]] = field(default_factory=lambda: defaultdict(deque))
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def answer(self, method: str, *answers: Raw) -> None:
        """Queue answers of one method."""
        self._answers[method].extend(answers)

    def sent(self, method: str) -> list[Arrived]:
        """Return the requests of one method."""
        return [request for request in self.requests if request.method == method]

    def unqueued(self, request: Arrived) -> Raw:
        """Return the answer to a request for which none is queued."""
        del request
        return result({})

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._answers["AssetPairs"].append(result(PAIRS))
        self._answers["Assets"].append(result(ASSETS))
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close every connection."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        verb, target, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("Content-Length", "0")))
        url = urlsplit(target)
        request = Arrived(verb, url.path, url.query, headers, body.decode())
        self.requests.append(request)
        self.arrived.set()
        queue = self._answers[request.method]
        answer = queue.popleft() if queue else self.unqueued(request)
        if answer.gate is not None:
            await answer.gate.wait()
        if answer.drop:
            return False
        length = len(answer.body) if answer.length is None else answer.length
        lines = [
            f"HTTP/1.1 {answer.status} -",
            f"Content-Length: {length}",
            "Content-Type: application/json",
            *answer.headers,
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body)
        await writer.drain()
        return answer.length is None
