"""Users whose file is bad or missing: their last settings are read at the start, and a user with nothing left to sell is removed.

A start waits here for Redis: without these records it is unknown whose exits have to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusUnavailable
from shared.bus.users.last_settings import LastSettings, holders, still_holding
from shared.config.users.watch import UsersWatch
from shared.domain.limits.policy import UserPolicy

_LOOK: Final = 10.0
"""Seconds between checks whether anything is held for users without a file."""
_RETRY: Final = 1.0

log = structlog.get_logger()


async def restore_last_settings(bus: Bus, watch: UsersWatch) -> None:
    """Read the last settings of users with a bad file, and the users without a file who hold something. Waits for Redis."""
    while True:
        try:
            without_file = await holders(bus) - watch.users.keys()
            bad = {user for user, policy in watch.users.items() if policy.fault}
            watch.restore(await LastSettings(bus).read(bad | without_file), without_file)
        except BusUnavailable as error:
            log.warning("waiting for Redis", reason=str(error))
            await asyncio.sleep(_RETRY)
        else:
            return


async def settle_gone_users(bus: Bus, watch: UsersWatch, apply: Callable[[Mapping[str, UserPolicy]], None]) -> None:
    """Keep checking which users without a file still hold something; `apply` gets all users after one was removed."""
    while True:
        try:
            if watch.gone:
                await _settle(bus, watch, apply)
        except BusError:
            pass  # checked again below; until then they are served
        await asyncio.sleep(_LOOK)


async def _settle(bus: Bus, watch: UsersWatch, apply: Callable[[Mapping[str, UserPolicy]], None]) -> None:
    before = set(watch.gone)
    holding = await still_holding(bus, before)
    if watch.settle_gone(holding | (watch.gone.keys() - before)):
        apply(watch.everybody)
