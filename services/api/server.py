"""Uvicorn, set up for the API."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from shared.config.settings import Settings
from shared.runtime.http_guard import HttpGuard, names_of
from shared.runtime.http_server import Server
from shared.runtime.slow_clients import GuardedConnection


def build_server(app: FastAPI, settings: Settings) -> Server:
    """Build the server."""
    return Server(
        uvicorn.Config(
            HttpGuard(app, names_of(settings.api_host, settings.api_hosts), "API_HOSTS"),
            http=GuardedConnection,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
