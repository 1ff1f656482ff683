"""Repeats every decision that was recorded in a test by what was recorded with it."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.what_if.changed_settings import SettingsChange
from shared.what_if.what_if import run_what_if


async def assert_decisions_repeat(bus: Bus) -> int:
    """Assert that all of them come out the same; return how many there were. Streams of another type are passed over."""
    repeated = 0
    for name in await bus.scan(keys.orders("*")):
        (kind,) = await bus.do_all([("TYPE", name)])
        if kind != "stream":
            continue
        user = name.partition("{")[2].partition("}")[0]
        found = await run_what_if(bus, user, SettingsChange(()), 0)
        assert not found.mismatches, (user, [each.differences for each in found.mismatches])
        repeated += found.repeated
    return repeated
