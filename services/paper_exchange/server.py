"""Uvicorn, set up for the paper exchange: httptools, no access log, a prompt end, and the connection in the scope."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.paper_exchange.asgi import TRANSPORT, Application
from shared.config.errors import ConfigurationError

BACKLOG: Final = 2048


class ExposedConnection(HttpToolsProtocol):
    """Uvicorn's protocol, which also tells the application its transport: only so can a reply be dropped."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]  # an extension of ours


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the process has its one place for signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Take the port (0 = any). Raises ConfigurationError in one line when it is in use."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"PAPER_PORT: cannot listen on {host}:{port}: {error.strerror}; is another paper exchange running?"
        ) from None
    return listener


def server_for(application: Application) -> Server:
    """Make the server."""
    config = uvicorn.Config(
        application,
        http=ExposedConnection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return Server(config)


async def serve(server: Server, listener: socket.socket) -> None:
    """Serve until cancelled, then end within about a second."""
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
