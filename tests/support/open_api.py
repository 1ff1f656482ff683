"""An API on a port that stays, for tests of its pages; it can be stopped and started again as after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from services.api.app import build
from services.api.server import build_server
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.runtime.http_server import Server, bind, serve
from tests.support.ports import free_port
from tests.support.shipped_config import all_at_kraken


class OpenApi:
    """An API without sign-in, at `url`."""

    def __init__(self, bus: Bus, config: Path) -> None:
        self._bus = bus
        self._config = config
        self._port = free_port()
        self._server: Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Serve; a new process would know as little as this new application."""
        settings = Settings(shoal_config=self._config, api_sign_in="off")
        app, _ = build(self._bus, settings)
        listener = bind("127.0.0.1", self._port, setting="API")
        self._server = build_server(app, settings)
        self._task = asyncio.create_task(serve(self._server, listener))

    async def stop(self) -> None:
        """End it and every connection at once."""
        if self._task is None or self._server is None:
            return
        self._server.should_exit = self._server.force_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        for task in list(self._server.server_state.tasks):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = self._server = None


@asynccontextmanager
async def open_api(bus: Bus, config: Path | None = None) -> AsyncIterator[OpenApi]:
    """Run an API; without `config` its users are those of the shipped folder, all at Kraken."""
    with TemporaryDirectory() as folder:
        api = OpenApi(bus, config or all_at_kraken(Path(folder)))
        await api.start()
        try:
            yield api
        finally:
            await api.stop()
