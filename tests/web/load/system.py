"""What the measurements run on: a Redis, the API as a process of its own, and a crowd that trades."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp

from shared.bus.connection import Bus, open_bus
from tests.bench.usage import cpu_ns
from tests.support.ports import free_port
from tests.support.processes import Service
from tests.support.redis_server import RedisServer
from tests.web.load.crowd import Crowd, write_users

_PATIENCE: Final = 60.0


@dataclass
class System:
    """The running system."""

    bus: Bus
    crowd: Crowd
    api: Service
    url: str

    async def start_api(self) -> None:
        """Start the API and wait until it answers."""
        self.api.start()
        end = time.monotonic() + _PATIENCE
        while not await self._answers():
            if time.monotonic() > end or not self.api.running:
                raise RuntimeError(f"the api does not answer: {self.api.log()[-2000:]}")
            await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as client, client.get(f"{self.url}/healthz") as answer:
                return answer.ok
        return False

    def cpu_ns(self) -> int:
        """Return the CPU time of the API so far, user and system."""
        return cpu_ns(self.api.pid)


@asynccontextmanager
async def running_system(users: int, hurry: float = 1) -> AsyncIterator[System]:
    """Run a system with so many users; with `hurry` the API looks and ends its streams so many times as often."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        # Speed of the disk is not measured here.
        redis = RedisServer(folder / "redis", options={"appendfsync": "no"})
        redis.start()
        try:
            names = write_users(folder / "config", users)
            port = free_port()
            environment = {
                "REDIS_URL": redis.url, "API_PORT": str(port), "API_SIGN_IN": "off", "SHOAL_CONFIG": str(folder / "config"),
                "HURRY": str(hurry),
            }  # fmt: skip
            module = "services.api" if hurry == 1 else "tests.web.load.hurried_api"
            api = Service("api", module, environment, folder / "api.log")
            async with open_bus(redis.url, "load") as bus:
                system = System(bus, Crowd(bus, names), api, f"http://127.0.0.1:{port}")
                await system.crowd.begin()
                await system.start_api()
                try:
                    yield system
                finally:
                    api.stop()
        finally:
            redis.stop()
