"""What runs a command."""

from __future__ import annotations

import pytest

from services.ops import runner
from services.ops.runner import run_with_bus
from shared.bus.connection import Bus
from shared.config.settings import Settings
from tests.support.redis_server import RedisServer


class Result:
    """What must not be formatted."""

    formatted = False

    def __repr__(self) -> str:
        self.formatted = True
        return ""


def test_the_result_of_a_command_is_not_formatted(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio does so with the result of its main task: it took half a second for the status of 10,000 users."""
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    monkeypatch.setattr(runner, "tune_gc_for", lambda _: None)  # it is for a process that is soon over

    async def work(_settings: Settings, _bus: Bus) -> Result:
        return Result()

    assert not run_with_bus(work).formatted
