"""What the tests of commands share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _lasting_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's signs of life last: several commands are run after one, and on a busy machine each takes seconds."""
    monkeypatch.setattr("shared.bus.records.HEARTBEAT_TTL_MS", 600_000)
