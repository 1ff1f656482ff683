"""What a venue takes from the barest client there is: asyncio protocols, many connections, every request signed, no Redis.

It is the venue's own ceiling and the measure of goal 2: no Shoal can place more orders a second than this through HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, cast

import uvloop

from tests.bench.accounts import Account
from tests.bench.signing import Signer

CONNECTIONS: Final = 64
_GOOD: Final = b'"error":[]'


class _Client(asyncio.Protocol):
    """Sends its next order when the last one is answered, as long as there are any to send."""

    def __init__(self, signer: Signer, left: list[int], done: asyncio.Event) -> None:
        self._signer = signer
        self._left = left
        self._done = done
        self._transport: asyncio.Transport
        self._answer = b""
        self.refused: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def begin(self) -> None:
        self._transport.write(self._signer.request())

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not _complete(self._answer):
            return
        if _GOOD not in self._answer:
            self.refused.append(self._answer)
        self._answer = b""
        self._left[0] -= 1
        if self._left[0] >= CONNECTIONS:
            self.begin()
        elif self._left[0] == 0:
            self._done.set()

    def close(self) -> None:
        self._transport.close()


def orders_per_second(port: int, accounts: Sequence[Account], orders: int) -> float:
    """Place so many orders over 64 connections, one key each, and give the rate. Raises ValueError if any was refused."""
    return uvloop.run(_run(port, accounts, orders))


async def _run(port: int, accounts: Sequence[Account], orders: int) -> float:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    left = [orders]
    clients = []
    for account in accounts[:CONNECTIONS]:
        signer = Signer(account, f"127.0.0.1:{port}")
        _, client = await loop.create_connection(lambda s=signer: _Client(s, left, done), "127.0.0.1", port)  # type: ignore[misc]
        clients.append(client)
    began = time.perf_counter()
    for client in clients:
        client.begin()
    async with asyncio.timeout(120):
        await done.wait()
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    if refused := [answer for client in clients for answer in client.refused]:
        raise ValueError(f"the venue refused {len(refused)} orders of the bare client: {refused[0][-200:]!r}")
    return orders / took


def _complete(answer: bytes) -> bool:
    """Return whether an answer is all there, by its content-length, however that is spelt."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    start = head.lower().find(b"content-length:")
    return len(body) >= int(head[start + 15 :].split(b"\r\n", 1)[0])
