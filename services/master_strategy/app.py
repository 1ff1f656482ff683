"""The composition root of the master: the one place where its concrete parts meet."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Final
from uuid import uuid4

import structlog

from services.master_strategy.clock import Clock, clock_of
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.leadership import Leadership
from services.master_strategy.session import MasterSession
from services.master_strategy.strategies.settings import load_strategy
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError
from shared.bus.heartbeat import Heartbeat, instance_name
from shared.bus.lease import Lease
from shared.bus.nonce import NonceCounter
from shared.bus.records import Records
from shared.bus.users.key_claims import claim_key
from shared.bus.venue_time import VenueTimeWriter
from shared.config.errors import ConfigurationError
from shared.config.preflight import check_key, check_strategy, require_green
from shared.config.renames import RenamesFile
from shared.config.secrets import ApiKey, read_api_key
from shared.config.settings import Mode, Settings
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.domain.rename import Renames
from shared.execution.timing import VENUE_TIMEOUT
from shared.runtime.clock_alarm import ClockAlarm
from shared.runtime.crash_points import CrashPoints
from shared.runtime.mode_line import log_mode
from shared.runtime.supervision import Supervisor, endless
from shared.venues import factory
from shared.venues.clock_keeper import ClockKeeper
from shared.venues.factory import (
    Budget,
    HttpSession,
    new_http_session,
    open_budget,
    open_public,
)
from shared.venues.port import NonceSource, PublicSide, Venue
from shared.venues.venue_clock import VenueClock

_SERVICE: Final = "master-strategy"
_VENUE: Final = "kraken"

_log = structlog.get_logger(__name__)


async def main(settings: Settings) -> None:
    """Run the master until cancelled. Raises ConfigurationError for what must be corrected first."""
    strategy = load_strategy(settings.shoal_config, settings.shoal_mode)
    require_green(settings, check_strategy, lambda known: check_key(known, MASTER))
    key = master_key(settings.shoal_mode)
    log_mode(settings)
    instance = instance_name()
    time_of_venue = VenueClock(_VENUE)
    faults = Faults(time_of_venue)
    alarm = ClockAlarm(faults, time_of_venue.offset)
    clock = clock_of(time_of_venue, alarm)
    crash_points = CrashPoints(settings.debug_die_at)
    budget = open_budget(_VENUE, settings.venue_tier(_VENUE))
    if settings.ignored_proxy:
        _log.warning(settings.ignored_proxy)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(settings.redis_url, _SERVICE, settings.durability))
        heartbeat = Heartbeat(Records(bus), _SERVICE, instance, faults, clock.now, settings.shoal_mode)
        times = VenueTimeWriter(bus)
        _log.info(
            "master starts",
            mode=settings.shoal_mode.value,
            venue=_VENUE,
            url=settings.venue_url(_VENUE),
            key=key.fingerprint,
            strategy=strategy.name,
            symbols=[str(symbol) for symbol in strategy.symbols],
        )

        health = ScanHealth(faults, clock, _VENUE)
        renames = RenamesFile(settings.shoal_config, faults)

        def table() -> Renames:
            renames.look()
            return renames.of(_VENUE)

        async def run_session(lease: Lease) -> None:
            await _claim_key(bus, key, lease, faults)
            async with new_http_session(settings.proxy) as http:
                nonces = NonceCounter(bus, lease, MASTER, key.fingerprint, floor=_nonce_floor())
                public = open_public(
                    _VENUE,
                    url=settings.venue_url(_VENUE),
                    http=http,
                    timeout=VENUE_TIMEOUT,
                    clock=clock.now,
                    faults=faults,
                )
                venue = open_account(settings, key, nonces, budget, http, clock, public)
                session = MasterSession(
                    bus=bus,
                    lease=lease,
                    venue=venue,
                    nonces=nonces,
                    settings=strategy,
                    heartbeat=heartbeat,
                    clock=clock,
                    new_id=lambda: str(uuid4()),
                    live=settings.shoal_mode is Mode.LIVE,
                    table=table,
                    faults=faults,
                    health=health,
                    crash_points=crash_points,
                    offset=time_of_venue.offset,
                )
                look = partial(_look_at_clock, time_of_venue, alarm, times)
                async with asyncio.TaskGroup() as tasks:
                    keeping = tasks.create_task(ClockKeeper(time_of_venue, public.ask_time, look).run())
                    await session.run()
                    keeping.cancel()

        leadership = Leadership(
            bus=bus,
            instance=instance,
            venue=_VENUE,
            run_session=run_session,
            heartbeat=heartbeat,
            clock=clock,
            health=health,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Supervisor(faults).keep_up("heartbeat", heartbeat.run))
            tasks.create_task(endless("leadership", leadership.serve()))


async def _claim_key(bus: Bus, key: ApiKey, lease: Lease, faults: Faults) -> None:
    """Claim the key, so that a user who trades with it is parked. The master goes on: the exits of all users depend on it."""
    others = await claim_key(bus, key.fingerprint, lease)
    if not others:
        faults.clear(FaultKind.KEY, MASTER)
        return
    reason = f"the master's API key (fingerprint {key.fingerprint}) is also that of {', '.join(others)}, who are not traded for"
    if faults.report(FaultKind.KEY, MASTER, reason):
        _log.error("one API key for the master and a user", others=others, key=key.fingerprint)


def _nonce_floor() -> int:
    """Return the lowest nonce of a session, in microseconds, in case Redis has lost the counter.

    By the wall clock, as in the sessions before; the counter never falls, so a clock that was set back lowers no nonce.
    """
    return time.time_ns() // 1_000


async def _look_at_clock(known: VenueClock, alarm: ClockAlarm, times: VenueTimeWriter) -> None:
    """Compare this host's clock with the venue's, and publish the venue's time for the engine."""
    alarm.look()
    if (to_steady := known.to_steady()) is not None:
        with suppress(BusError):
            await times.write(known.venue, to_steady)


def open_account(
    settings: Settings,
    key: ApiKey,
    nonces: NonceSource,
    budget: Budget,
    http: HttpSession,
    clock: Clock,
    public: PublicSide,
) -> Venue:
    """Open the account that trades; sends nothing yet. Raises Rejected for a key that cannot be one."""
    return factory.open_account(
        _VENUE,
        url=settings.venue_url(_VENUE),
        public=public,
        api_key=key.key,
        api_secret=key.secret,
        nonces=nonces,
        http=http,
        timeout=VENUE_TIMEOUT,
        clock=clock.now,
        budget=budget,
    )


def master_key(mode: Mode) -> ApiKey:
    """Read the master's key: Kraken's, since that is the venue with an adapter."""
    try:
        return read_api_key(_VENUE, MASTER, mode)
    except ConfigurationError as missing:
        try:
            read_api_key("coinbase", MASTER, mode)
        except ConfigurationError:
            raise missing from None
        raise ConfigurationError(
            "COINBASE_MASTER_API_KEY is set, but a master on Coinbase is not supported yet; set KRAKEN_MASTER_API_KEY"
        ) from None
