"""Uvicorn for the paper exchange: httptools, no access log, a fast shutdown, and the connection in the scope."""

from __future__ import annotations

from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from services.paper_exchange.asgi import Application
from services.paper_exchange.wire import TRANSPORT
from shared.runtime.http_server import Server

BACKLOG: Final = 2048
"""Connections that may wait to be accepted: an executor's users connect all at once."""


class ExposedConnection(HttpToolsProtocol):
    """Uvicorn's protocol, which also passes its transport to the application, so that a reply can be dropped."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]  # an extension of ours


class ExposedSocket(WebSocketsSansIOProtocol):
    """The same for WebSockets, so that a stream can be cut."""

    def handle_connect(self, event: Request) -> None:
        """Begin a connection; the application's task starts later, and finds the transport."""
        super().handle_connect(event)
        if hasattr(self, "scope"):  # a handshake that the library refuses has none
            self.scope["extensions"][TRANSPORT] = self.transport  # type: ignore[assignment]  # an extension of ours


def server_for(application: Application) -> Server:
    """Build the server."""
    config = uvicorn.Config(
        application,
        http=ExposedConnection,
        ws=ExposedSocket,
        ws_ping_interval=None,  # the venues send none; their clients may
        ws_max_size=1_000_000,
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
