"""Uvicorn, set up for the API."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from shared.config.settings import Settings
from shared.config.venue.origins import read_origin
from shared.runtime.http_guard import HttpGuard, names_of
from shared.runtime.http_server import Server
from shared.runtime.slow_clients import GuardedConnection


def build_server(app: FastAPI, settings: Settings) -> Server:
    """Build the server."""
    names = [*settings.api_hosts, *([read_origin(settings.api_url).host] if settings.api_url else [])]
    return Server(
        uvicorn.Config(
            HttpGuard(app, names_of(settings.api_host, names), "API_HOSTS"),
            http=GuardedConnection,
            ws="none",
            lifespan="off",
            proxy_headers=False,  # a header must not make a visitor look local, nor choose the address that attempts count for
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
