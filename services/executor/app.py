"""The composition root of an executor: claims users by lease, up to its capacity, and serves each in a session of its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Final

import aiohttp
import structlog

from services.executor.account import AccountKeeper
from services.executor.desk import VENUE_TIMEOUT, Desk
from services.executor.master_watch import watch_for_master
from services.executor.price_feed import PriceFeed
from services.executor.reader import StreamReader
from services.executor.session import Session
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError, BusUnavailable
from shared.bus.heartbeat import Heartbeat, instance_name
from shared.bus.lease import Lease, acquire, keep
from shared.bus.nonce import NonceCounter
from shared.bus.orders import OrderStore
from shared.bus.records import Records
from shared.config.boundary import Boundary
from shared.config.errors import ConfigurationError
from shared.config.secrets import ApiKey, read_api_key
from shared.config.settings import Settings
from shared.config.users import load_users
from shared.domain.policy import UserPolicy
from shared.venues.errors import Rejected
from shared.venues.factory import new_http_session, open_kraken, open_public_kraken
from shared.venues.port import Venue
from shared.venues.unusable import UnusableVenue

_CLAIM_EVERY: Final = 1.0
_NO_KEY: Final = "none"

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
        self._settings = settings
        self._bus = bus
        self._http = http
        self._users = users
        self._capacity = (
            settings.executor_capacity if not settings.executor_users else max(settings.executor_capacity, len(users))
        )
        self._owner = instance_name()
        self._records = Records(bus)
        self._reader = StreamReader(bus)
        self._master_seen = asyncio.Event()
        self._public = open_public_kraken(
            url=settings.venue_url("kraken"), http=http, timeout=VENUE_TIMEOUT, clock=_now_ms
        )
        self._sessions: dict[str, asyncio.Task[None]] = {}
        self._begun: dict[str, dict[str, int]] = {}
        self._boundary = Boundary(settings.debug_die_at)

    async def run(self) -> None:
        """Claim and serve until cancelled; then hand every user back at once."""
        heartbeat = Heartbeat(self._records, "executor", self._owner)
        reading = asyncio.create_task(self._reader.run())
        helpers = [
            asyncio.create_task(heartbeat.run()),
            asyncio.create_task(watch_for_master(self._bus, self._master_seen)),
            asyncio.create_task(PriceFeed(self._bus, self._public, self._owner, _now_ms).run()),
        ]
        try:
            while True:
                await self._claim()
                heartbeat.state = f"serving {', '.join(sorted(self._sessions)) or 'nobody'}"
                await asyncio.sleep(_CLAIM_EVERY)
                if reading.done():
                    reading.result()  # an unexpected failure of the reader ends the process
        finally:
            # The reader first: nothing may be handed out to a session that is on its way out.
            await _end(reading, *helpers)
            await _end(*self._sessions.values())

    async def _claim(self) -> None:
        for user, session in list(self._sessions.items()):
            if session.done():
                del self._sessions[user]
        free = [user for user in self._users if user not in self._sessions]
        random.shuffle(free)  # so that executors that start together do not all try in the same order
        for user in free:
            if len(self._sessions) >= self._capacity:
                return
            try:
                lease = await acquire(self._bus, user, self._owner)
            except BusUnavailable as error:
                log.warning("waiting for Redis", reason=str(error))
                return
            if lease is not None:
                self._sessions[user] = asyncio.create_task(self._serve(user, lease))

    async def _serve(self, user: str, lease: Lease) -> None:
        """Serve a user until the lease or Redis is lost, and hand the lease back."""
        policy = self._users[user]
        log.info("serving user", user=user)
        try:
            desks = {venue: self._desk(policy, venue, lease) for venue in policy.venues}
            await keep(
                lease, Session(self._bus, self._reader, desks, lease, user=user, master_seen=self._master_seen).serve()
            )
        except* BusError as group:
            log.warning("turn ended", user=user, reason="; ".join(str(error) for error in group.exceptions))
        except* Exception as group:  # one user's crash stops no other user
            log.error("turn ended by an unexpected failure", user=user, exc_info=group)
        finally:
            await lease.release()

    def _desk(self, policy: UserPolicy, venue_name: str, lease: Lease) -> Desk:
        floor = time.time_ns() // 1_000
        try:
            key = self._key(policy.user, venue_name)
            nonces = NonceCounter(self._bus, lease, policy.user, key.fingerprint, floor=floor)
            venue: Venue = self._open(key, nonces)
        except (ConfigurationError, Rejected) as error:
            nonces = NonceCounter(self._bus, lease, policy.user, _NO_KEY, floor=floor)
            venue = UnusableVenue(venue_name, str(error))
        account = AccountKeeper(policy.user, venue, self._records, _now_ms)
        return Desk(
            policy=policy,
            venue=venue,
            lease=lease,
            store=OrderStore(self._bus, lease, policy.user, venue_name, self._settings.retention_ms),
            nonces=nonces,
            records=self._records,
            account=account,
            clock=_now_ms,
            begun=self._begun.setdefault(policy.user, {}),
            retention_ms=self._settings.retention_ms,
            boundary=self._boundary,
        )

    def _key(self, user: str, venue_name: str) -> ApiKey:
        if venue_name != self._public.name:
            raise ConfigurationError(f"{venue_name} is not supported yet")
        return read_api_key(venue_name, user, self._settings.shoal_mode)

    def _open(self, key: ApiKey, nonces: NonceCounter) -> Venue:
        return open_kraken(
            url=self._settings.venue_url("kraken"),
            api_key=key.key,
            api_secret=key.secret,
            nonces=nonces,
            http=self._http,
            timeout=VENUE_TIMEOUT,
            clock=_now_ms,
            public=self._public,
        )


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
