"""The users at a start: the watch on their settings, the last settings of those whose file is bad or missing; and while a process
runs, users with nothing left to sell are removed.

A start waits here for Redis: without these records it is unknown whose exits have to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusForbidden, BusUnavailable
from shared.bus.users.last_settings import LastSettings, holders, still_holding
from shared.bus.users.settings_source import RedisUserSource, user_source
from shared.config.settings import Settings
from shared.config.users.watch import UsersWatch
from shared.domain.fault import Faults
from shared.domain.limits.policy import UserPolicy

_LOOK: Final = 10.0
"""Seconds between checks whether anything is held for users without a file."""
_RETRY: Final = 1.0

log = structlog.get_logger()


async def open_watch(
    settings: Settings, bus: Bus, faults: Faults | None = None, groups: Collection[str] | None = None
) -> UsersWatch:
    """Return a watch on the users' settings, in files or in Redis. Waits for Redis. Raises ConfigurationError."""
    source = user_source(settings, bus, groups)
    while isinstance(source, RedisUserSource):
        try:
            await source.load()
            break
        except BusError as error:
            log.warning("waiting for the users' settings in Redis", reason=str(error))
            await asyncio.sleep(_RETRY)
    return UsersWatch(settings.shoal_config, faults, source)


async def restore_last_settings(bus: Bus, watch: UsersWatch) -> None:
    """Read the last settings of users with a bad file, and the users without a file who hold something. Waits for Redis."""
    while True:
        try:
            without_file = await holders(bus) - watch.users.keys()
            bad = {user for user, policy in watch.users.items() if policy.fault}
            last, hidden = await _last_settings(bus, bad | without_file)
            watch.restore(last, without_file - hidden)
        except BusUnavailable as error:
            log.warning("waiting for Redis", reason=str(error))
            await asyncio.sleep(_RETRY)
        else:
            return


async def _last_settings(bus: Bus, users: Collection[str]) -> tuple[dict[str, UserPolicy], set[str]]:
    """Read the last settings of users; the others are those whose keys Redis hides from this process: of another group."""
    found: dict[str, UserPolicy] = {}
    hidden: set[str] = set()
    try:
        return await LastSettings(bus).read(users), hidden
    except BusForbidden:
        for user in users:
            try:
                found |= await LastSettings(bus).read([user])
            except BusForbidden:
                hidden.add(user)
    return found, hidden


async def settle_gone_users(bus: Bus, watch: UsersWatch, apply: Callable[[Mapping[str, UserPolicy]], None]) -> None:
    """Keep checking which users without a file still hold something; `apply` gets all users after one was removed."""
    while True:
        try:
            if watch.gone:
                await _settle(bus, watch, apply)
        except BusError:
            pass  # checked again below; until then they are served
        await asyncio.sleep(_LOOK)


async def _holding(bus: Bus, users: Collection[str]) -> set[str]:
    """Return those of these users for whom something is held; not those whose keys Redis hides from this process."""
    try:
        return await still_holding(bus, users)
    except BusForbidden:
        found: set[str] = set()
        for user in users:
            with suppress(BusForbidden):
                found |= await still_holding(bus, [user])
        return found


async def _settle(bus: Bus, watch: UsersWatch, apply: Callable[[Mapping[str, UserPolicy]], None]) -> None:
    before = set(watch.gone)
    holding = await _holding(bus, before)
    if watch.settle_gone(holding | (watch.gone.keys() - before)):
        apply(watch.everybody)
