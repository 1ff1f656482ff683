"""Uvicorn, set up for the API: the port is taken before anything else starts, and the process has its one place for signals."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from shared.config.errors import ConfigurationError


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Take the port (0 = any). Raises ConfigurationError in one line where that fails."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            why = f"API_PORT: {port} on {host} is in use by another program; choose another port"
        else:
            why = f"API_HOST, API_PORT: cannot listen on {host}:{port}: {error.strerror or error}"
        raise ConfigurationError(why) from None
    return listener


def server_for(app: FastAPI) -> Server:
    """Make the server."""
    return Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )


async def serve(server: Server, listener: socket.socket) -> None:
    """Serve until cancelled, then end within about two seconds."""
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
