"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from tests.integration.ops.command import Exchange, Ran, exchange, ops
from tests.integration.ops.users_command import ALICE, Run
from tests.support.redis_server import RedisServer


@pytest.fixture(autouse=True)
def _lasting_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's signs of life last: several commands are run after one, and on a busy machine each takes seconds."""
    monkeypatch.setattr("shared.bus.state.records.HEARTBEAT_TTL_MS", 600_000)


@pytest.fixture
async def venue() -> AsyncIterator[Exchange]:
    """A stand-in for the paper exchange."""
    async with exchange() as made:
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with one user."""
    folder = tmp_path / "config"
    (folder / "users").mkdir(parents=True)
    (folder / "users" / "alice.toml").write_text(ALICE)
    (folder / "paper_accounts.toml").write_text('# balances\n[accounts.alice.kraken]\nUSD = "5000"\n')
    return folder


@pytest.fixture
def run(bus: Bus, redis_server: RedisServer, config: Path, venue: Exchange, tmp_path: Path) -> Run:
    """Run `ops user`."""
    del bus  # empties the server

    async def run_it(*words: str, **env: str) -> Ran:
        given = {"SHOAL_CONFIG": str(config), "SHOAL_SECRETS": str(tmp_path / "secrets"), "PAPER_URL": venue.url}
        return await ops(redis_server.url, "user", *words, **{**given, **env})

    return run_it
