"""Uvicorn, set up for the API."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from shared.config.http_server import Server


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
