"""What the tests of commands share."""

from __future__ import annotations

import pytest

from tests.support.shipped_config import all_at_kraken


@pytest.fixture(autouse=True)
def _lasting_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's signs of life last: several commands are run after one, and on a busy machine each takes seconds."""
    monkeypatch.setattr("shared.bus.records.HEARTBEAT_TTL_MS", 600_000)


@pytest.fixture(autouse=True)
def _one_venue(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let all shipped users be at one venue, unless a test has a configuration of its own."""
    monkeypatch.setenv("SHOAL_CONFIG", str(all_at_kraken(tmp_path_factory.mktemp("shipped"))))
