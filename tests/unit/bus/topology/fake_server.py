"""A server that speaks the protocol and answers as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import hiredis

_NOT_ENOUGH: Final = object()


class FakeServer:
    """Listens on a port of its own; `answer` returns the answer to a command, given the one before it on that connection."""

    def __init__(self, answer: Callable[[Sequence[str], str], object]) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Fall over: end all connections and take no others."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.transport.abort()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(writer)
        parser, before = hiredis.Reader(encoding="utf-8", notEnoughData=_NOT_ENOUGH), ""
        try:
            while data := await reader.read(65_536):
                parser.feed(data)
                while (words := parser.gets()) is not _NOT_ENOUGH:
                    writer.write(_reply(self._answer([str(word) for word in words], before)))
                    before = str(words[0]).upper()
        except OSError:
            pass
        finally:
            self._links.discard(writer)
            writer.transport.abort()


def _reply(answer: object) -> bytes:
    """Return an answer in the protocol; a text that begins with + or - is a status or an error."""
    if answer is None:
        return b"$-1\r\n"
    if isinstance(answer, int):
        return b":%d\r\n" % answer
    if isinstance(answer, list):
        return b"*%d\r\n%b" % (len(answer), b"".join(map(_reply, answer)))
    text = str(answer)
    if text.startswith(("+", "-")):
        return f"{text}\r\n".encode()
    return f"${len(text)}\r\n{text}\r\n".encode()
