"""The composition root of an executor: claims users by lease, up to its capacity, and serves each in a session of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import aiohttp
import structlog

from services.executor.claims import Claims
from services.executor.desks import DeskMaker
from services.executor.master_watch import watch_for_master
from services.executor.price_feed import PriceFeed
from services.executor.reader import StreamReader
from services.executor.session import Session
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError
from shared.bus.heartbeat import Heartbeat, instance_name
from shared.bus.lease import Lease, keep
from shared.bus.records import Records
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.users import load_users
from shared.domain.policy import UserPolicy
from shared.venues.factory import new_http_session

_CLAIM_EVERY: Final = 1.0
_HELPER_PAUSE: Final = 5.0

log = structlog.get_logger()


async def main(settings: Settings) -> None:
    """Run until cancelled."""
    users = _users(settings)
    async with open_bus(settings.redis_url, "executor") as bus, new_http_session() as http:
        executor = Executor(settings, bus, http, users)
        await executor.run()


def _users(settings: Settings) -> Mapping[str, UserPolicy]:
    """Give the users this process may serve: all enabled ones, or those that EXECUTOR_USERS pins."""
    known = load_users(settings.shoal_config)
    for name in settings.executor_users:
        if name not in known:
            raise ConfigurationError(
                f"EXECUTOR_USERS names {name}, but there is no {settings.shoal_config}/users/{name}.toml"
            )
    pinned = settings.executor_users or tuple(known)
    return {name: known[name] for name in pinned if known[name].enabled}


class Executor:
    """One executor process."""

    def __init__(
        self, settings: Settings, bus: Bus, http: aiohttp.ClientSession, users: Mapping[str, UserPolicy]
    ) -> None:
        self._bus = bus
        self._users = users
        self._owner = instance_name()
        self._reader = StreamReader(bus)
        self._master_seen = asyncio.Event()
        self._desks = DeskMaker(settings, bus, http, _now_ms)
        pinned = len(users) if settings.executor_users else 0
        self._claims = Claims(bus, users, max(settings.executor_capacity, pinned), self._owner, self._serve)

    async def run(self) -> None:
        """Claim and serve until cancelled; then hand every user back at once."""
        heartbeat = Heartbeat(Records(self._bus), "executor", self._owner)
        reading = asyncio.create_task(self._reader.run())
        feed = PriceFeed(self._bus, self._desks.public, self._owner, _now_ms)
        helpers = [
            asyncio.create_task(_keep_up("heartbeat", heartbeat.run)),
            asyncio.create_task(_keep_up("master watch", lambda: watch_for_master(self._bus, self._master_seen))),
            asyncio.create_task(_keep_up("price feed", feed.run)),
        ]
        try:
            while True:
                await self._claims.update()
                heartbeat.state = self._claims.state
                await asyncio.sleep(_CLAIM_EVERY)
                if reading.done():
                    reading.result()  # an unexpected failure of the reader ends the process
        finally:
            # The reader first: nothing may be handed out to a session that is on its way out.
            await _end(reading, *helpers)
            await self._claims.end()

    async def _serve(self, user: str, lease: Lease) -> None:
        """Serve a user until the lease or Redis is lost, and hand the lease back."""
        policy = self._users[user]
        log.info("serving user", user=user)
        try:
            desks = {venue: self._desks.make(policy, venue, lease) for venue in policy.venues}
            await keep(
                lease, Session(self._bus, self._reader, desks, lease, user=user, master_seen=self._master_seen).serve()
            )
        except* BusError as group:
            log.warning("turn ended", user=user, reason="; ".join(str(error) for error in group.exceptions))
        except* Exception as group:  # one user's crash stops no other user
            log.error("turn ended by an unexpected failure", user=user, exc_info=group)
            self._claims.rest(user)
        finally:
            await lease.release()


async def _keep_up(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a helper to its end; begin it again, after a pause, whenever it fails."""
    while True:
        try:
            await work()
        except Exception:  # a helper that dies silently would leave stale prices or a dead heartbeat behind
            log.exception("a helper failed and begins again", helper=name)
            await asyncio.sleep(_HELPER_PAUSE)
        else:
            return


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
