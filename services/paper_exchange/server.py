"""Uvicorn, set up for the paper exchange: uvloop, httptools, no access log, a prompt end, and the connection in the scope."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.paper_exchange.asgi import TRANSPORT, Application
from shared.config.errors import ConfigurationError

BACKLOG = 2048


class ExposedConnection(HttpToolsProtocol):
    """Uvicorn's protocol, which also tells the application its transport: only so can a reply be dropped."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]  # an extension of ours


def bind(host: str, port: int) -> socket.socket:
    """Take the port. Raises ConfigurationError in one line when it is in use."""
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


def server_for(application: Application) -> uvicorn.Server:
    """Make the server."""
    return uvicorn.Server(uvicorn.Config(
        application,
        http=ExposedConnection,
        ws="none",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    ))  # fmt: skip


async def serve(
    server: uvicorn.Server, listener: socket.socket, companion: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Serve until a signal comes, with a companion task beside it."""
    task = asyncio.create_task(companion())
    try:
        await server.serve(sockets=[listener])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
