"""Asking for books to be rebuilt, whatever the clock of the host shows on which the operator asks."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from services.ops.checks import rebuild
from shared.bus.connection import Bus
from shared.bus.state.venue_time import VenueTimeWriter
from shared.contracts import keys
from shared.contracts.rebuilding import RebuildMode
from tests.support.leases import take_over

_HOUR_MS = 3_600_000


async def test_a_request_is_dated_by_the_venues_time(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a host's clock that is behind it would be too old for the executor, and the exits would go on waiting."""
    monkeypatch.setattr(rebuild, "_PATIENCE", 0.0)
    await take_over(bus, "alice", str(uuid4()))
    here = time.time() * 1000
    await VenueTimeWriter(bus).write("kraken", (here + _HOUR_MS - time.monotonic() * 1000, 10.0))
    await rebuild.ask(bus, [("alice", "kraken")], RebuildMode.LOOK)
    asked_at = int(await bus.do("HGET", keys.control("alice"), "rebuild_at"))
    assert abs(asked_at - here - _HOUR_MS) < 60_000
