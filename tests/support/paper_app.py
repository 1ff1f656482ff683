"""The paper exchange in the test's own process, whose control plane is built when something asks for it.

Most tests never do, and it is by far the dearest part: FastAPI builds a model for every parameter of every route.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

from fastapi import FastAPI

from services.paper_exchange import app
from services.paper_exchange.asgi import Application
from services.paper_exchange.control.gate import Receive, Scope, Send
from services.paper_exchange.control.plane import control_plane
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.market.clock import Clock
from services.paper_exchange.market_file import PaperFile
from shared.config.settings import Settings


class _WhenAsked:
    """A control plane that is built with its first request."""

    def __init__(self, build: Callable[[], FastAPI]) -> None:
        self._build = build
        self._plane: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._plane = self._plane or self._build()
        await self._plane(scope, receive, send)


def build(settings: Settings, paper: PaperFile, clock: Clock, token: str = "") -> tuple[Exchange, Application]:
    """Build the exchange and its application as `services.paper_exchange.app` does."""
    with mock.patch.object(app, "control_plane", lambda *parts: _WhenAsked(lambda: control_plane(*parts))):
        return app.build(settings, paper, clock, token)
