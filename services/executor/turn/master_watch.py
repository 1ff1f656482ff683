"""Waits for the master: users are announced after it. One watch per process serves all its users."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.master.master_places import read_master_places
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import masters_are_open

_POLL: Final = 0.5

log = structlog.get_logger()


async def watch_for_master(bus: Bus, seen: asyncio.Event) -> None:
    """Set `seen` once a master account is ready and all were tried, or one has left a signal; then end."""
    records = Records(bus)
    said = False
    while True:
        try:
            accounts = await records.accounts(await read_master_places(bus))
            if masters_are_open(accounts) or await bus.do("XLEN", keys.SIGNALS):
                seen.set()
                return
        except BusError:
            pass  # reported elsewhere; tried again below
        if not said:
            log.info("USERS: waiting for the master account")
            said = True
        await asyncio.sleep(_POLL)
