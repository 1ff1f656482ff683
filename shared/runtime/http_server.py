"""Runs uvicorn in a process that handles signals in one place: the port is bound before anything else starts, the end is prompt.

Only services that listen import this: an executor need not load uvicorn.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import uvicorn

from shared.config.errors import ConfigurationError


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


def bind(host: str, port: int, *, setting: str, backlog: int = 128) -> socket.socket:
    """Bind the port (0 = any) and listen. Raises ConfigurationError in one line, which names `<setting>_PORT`."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            why = f"{setting}_PORT: {port} on {host} is in use by another program; choose another port"
        else:
            why = f"{setting}_HOST, {setting}_PORT: cannot listen on {host}:{port}: {error.strerror or error}"
        raise ConfigurationError(why) from None
    return listener


def is_bound_to_loopback(listener: socket.socket) -> bool:
    """Return whether only this machine can connect."""
    address = ip_address(listener.getsockname()[0])
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


async def serve(server: Server, listener: socket.socket) -> None:
    """Serve until cancelled, then end within the server's own time-out (`timeout_graceful_shutdown`)."""
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
