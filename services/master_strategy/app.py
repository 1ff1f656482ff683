"""The composition root of the master: the one place where its concrete parts meet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Final
from uuid import uuid4

import structlog

from services.master_strategy.account.master_key import MasterKey
from services.master_strategy.clock import Clock, clock_of
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.leadership import Leadership
from services.master_strategy.session import MasterSession
from services.master_strategy.venue_sessions import VenueSessions
from services.master_strategy.venue_state import MasterState, VenueState
from shared.bus.connection import Bus, open_bus
from shared.bus.connects import ConnectBudget
from shared.bus.errors import BusError
from shared.bus.master.master_places import place_label
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.heartbeat import Heartbeat, instance_name
from shared.bus.state.records import Records
from shared.bus.state.venue_time import VenueTimeWriter
from shared.bus.users.key_claims import claim_key
from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import ApiKey, master_venues, read_api_key
from shared.config.master_accounts import MasterAccountChoice, TradedAccount, master_accounts, usual_venues
from shared.config.masters import load_master_files
from shared.config.preflight import check_key, check_strategy, require_green
from shared.config.renames import RenamesFile
from shared.config.settings import Mode, Settings
from shared.config.strategy_choice import strategy_file
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.domain.account import MASTER, is_master
from shared.domain.fault import FaultKind, Faults
from shared.domain.rename import Renames
from shared.execution.timing import VENUE_TIMEOUT
from shared.runtime.clock_alarm import ClockAlarm
from shared.runtime.crash_points import CrashPoints
from shared.runtime.mode_line import log_mode
from shared.runtime.supervision import Supervisor, endless
from shared.strategies.settings import StrategySettings, load_strategy
from shared.venues.clock_keeper import ClockKeeper
from shared.venues.errors import Refusal, Rejected
from shared.venues.factory import (
    Budget,
    HttpSession,
    new_http_session,
    open_account,
    open_budget,
    open_public,
)
from shared.venues.port import NonceSource, PublicSide, Venue
from shared.venues.venue_clock import VenueClock

_SERVICE: Final = "master-strategy"

_log = structlog.get_logger(__name__)


async def main(settings: Settings) -> None:
    """Run the master until cancelled. Raises ConfigurationError for what must be corrected first."""
    strategy = load_strategy(settings.shoal_config, settings.shoal_mode, settings.strategy_file)
    require_green(settings, check_strategy)
    accounts = configured_accounts(settings, strategy)
    masters = master_keys(settings.shoal_mode, [(each.venue, each.key_owner) for each in accounts])
    if len(accounts) == 1:  # of several, one with an unusable key is parked, and the others are served
        require_green(settings, lambda known: check_key(known, accounts[0].key_owner, venues=[accounts[0].venue]))
    log_mode(settings)
    instance = instance_name()
    clocks = [VenueClock(each.venue) for each in accounts]
    faults = Faults(clocks[0])
    settings.egress.require_usable()
    if settings.ignored_proxy:
        _log.warning(settings.ignored_proxy)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(settings.redis_url, _SERVICE, settings.durability))
        first = clocks[0]
        heartbeat = Heartbeat(Records(bus), _SERVICE, instance, faults, first, settings.shoal_mode)
        state = MasterState(heartbeat)
        renames = RenamesFile(settings.shoal_config, faults)
        crash_points = CrashPoints(settings.debug_die_at)
        served = [
            MasterAccount(
                settings=settings,
                strategy=strategy.of_account(traded=account.traded),
                bus=bus,
                key=masters[account.venue, account.key_owner],
                time=clock,
                faults=faults,
                renames=renames,
                state=state.of(place_label(account.owner, account.venue)),
                crash_points=crash_points,
                alone=len(accounts) == 1,
                account=account,
            )
            for account, clock in zip(accounts, clocks, strict=True)
        ]
        leadership = Leadership(
            bus=bus,
            instance=instance,
            venues=[each.sessions for each in served],
            heartbeat=heartbeat,
            clock=clock_of(first, ClockAlarm(faults, first.offset)),
        )
        supervisor = Supervisor(faults)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.keep_up("heartbeat", heartbeat.run))
            for each in served:
                tasks.create_task(supervisor.keep_up(f"key at {each.sessions.label}", each.watch_key))
            tasks.create_task(endless("leadership", leadership.serve()))


class MasterAccount:
    """The master's account at one venue: its clock, its key and rate budget, which outlive the sessions."""

    def __init__(
        self,
        *,
        settings: Settings,
        strategy: StrategySettings,
        bus: Bus,
        key: ApiKey | ConfigurationError,
        time: VenueClock,
        faults: Faults,
        renames: RenamesFile,
        state: VenueState,
        crash_points: CrashPoints,
        alone: bool,
        account: MasterAccountChoice,
    ) -> None:
        """`key` is an error where it cannot be read: the account is parked with it. `alone`: the master has no other account."""
        self._account = account
        self._settings = settings
        self._strategy = strategy
        self._bus = bus
        self._time = time
        self._faults = faults
        self._renames = renames
        self._state = state
        self._venue = time.venue
        self._key = MasterKey(self._venue, settings.shoal_mode, key, owner=account.key_owner)
        self._subject = account.owner if alone else f"{account.owner} ({self._venue})"
        self._alarm = ClockAlarm(faults, time.offset)
        self._clock = clock_of(time, self._alarm)
        self._crash_points = crash_points
        self._budget = open_budget(self._venue, settings.venue_tier(self._venue))
        self._health = ScanHealth(faults, self._clock, place_label(account.owner, self._venue))
        self._times = VenueTimeWriter(bus)
        self.sessions = VenueSessions(
            name=self._venue,
            owner=account.owner,
            run_session=self._run_session,
            records=Records(bus),
            state=state,
            clock=self._clock,
            health=self._health,
            faults=faults,
            alone=alone,
        )
        _log.info(
            "master starts",
            mode=settings.shoal_mode.value,
            venue=self._venue,
            **({"master": account.name} if account.name else {}),
            url=settings.venue_url(self._venue),
            key=key.fingerprint if isinstance(key, ApiKey) else str(key),
            strategy=strategy.name,
            symbols=[str(symbol) for symbol in strategy.traded_symbols],
        )

    def _table(self) -> Renames:
        self._renames.look()
        return self._renames.of(self._venue)

    async def watch_key(self) -> None:
        """Look at the key's files until cancelled: when they hold another key, a session with it begins at once."""
        await self._key.watch(lambda: self._state.is_open, self.sessions.try_other_key)

    async def _run_session(self, lease: Lease) -> None:
        await self._key.run(partial(self._run_with, lease))

    async def _run_with(self, lease: Lease, key: ApiKey) -> None:
        settings = self._settings
        await claim_master_key(self._bus, key, lease, self._faults, self._subject)
        async with new_http_session(settings.egress) as http:
            nonces = None
            if VENUE_FACTS[self._venue].takes_nonces:
                nonces = NonceCounter(self._bus, lease, lease.holder, key.fingerprint, floor=_nonce_floor())
            public = open_public(
                self._venue,
                url=settings.venue_url(self._venue),
                http=http,
                timeout=VENUE_TIMEOUT,
                clock=self._clock.now,
                faults=self._faults,
            )
            venue = open_master(settings, key, nonces, self._budget, http, self._clock, public)
            session = MasterSession(
                bus=self._bus,
                lease=lease,
                venue=venue,
                nonces=nonces,
                settings=self._strategy,
                state=self._state,
                clock=self._clock,
                new_id=lambda: str(uuid4()),
                live=settings.shoal_mode is Mode.LIVE,
                config=settings.shoal_config,
                table=self._table,
                faults=self._faults,
                health=self._health,
                crash_points=self._crash_points,
                subject=self._subject,
                permit=partial(ConnectBudget(self._bus, self._venue, source=settings.egress.name).wait, first=True),
                offset=self._time.offset,
                name=self._account.name,
                symbols=self._account.symbols,
            )
            look = partial(_look_at_clock, self._time, self._alarm, self._times)
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(ClockKeeper(self._time, public.ask_time, look).run())
                await session.run()
                keeping.cancel()


def configured_accounts(settings: Settings, strategy: StrategySettings) -> list[MasterAccountChoice]:
    """Return the accounts of the master by its keys and files. Raises ConfigurationError in one line."""
    files = load_master_files(settings.shoal_config)
    file = strategy_file(settings.shoal_config, settings.strategy_file)
    traded = TradedAccount(strategy.trades, strategy.venue or "", strategy.master or "", file)
    return master_accounts(settings.shoal_config, files, usual_venues(master_venues(), files), traded)


async def claim_master_key(bus: Bus, key: ApiKey, lease: Lease, faults: Faults, subject: str) -> None:
    """Claim the key, so that a user who trades with it is parked. The master goes on: the exits of all users depend on it.

    Raises Rejected for a further account whose key is that of another account of the master: two counters of its nonces would
    void each other's calls.
    """
    others = await claim_key(bus, key.fingerprint, lease)
    if lease.holder != MASTER and (masters := [other for other in others if is_master(other)]):
        raise Rejected(
            f"its API key (fingerprint {key.fingerprint}) is also that of {', '.join(masters)}: every account needs its own",
            Refusal.AUTH,
        )
    others = [other for other in others if not is_master(other)]
    if not others:
        faults.clear(FaultKind.KEY, subject)
        return
    reason = f"the master's API key (fingerprint {key.fingerprint}) is also that of {', '.join(others)}, who are not traded for"
    if faults.report(FaultKind.KEY, subject, reason):
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


def open_master(
    settings: Settings,
    key: ApiKey,
    nonces: NonceSource | None,
    budget: Budget,
    http: HttpSession,
    clock: Clock,
    public: PublicSide,
) -> Venue:
    """Open the account that trades; sends nothing yet. Raises Rejected for a key that cannot be one."""
    return open_account(
        public.name,
        url=settings.venue_url(public.name),
        public=public,
        api_key=key.key,
        api_secret=key.secret,
        nonces=nonces,
        http=http,
        timeout=VENUE_TIMEOUT,
        clock=clock.now,
        budget=budget,
        stream_url=settings.venue(public.name).stream_url,
    )


def master_keys(mode: Mode, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], ApiKey | ConfigurationError]:
    """Read the master's keys by venue and owner of the key; an error for one that cannot be used.

    Raises ConfigurationError if none can.
    """
    found: dict[tuple[str, str], ApiKey | ConfigurationError] = {}
    for venue, owner in places:
        try:
            found[venue, owner] = read_api_key(venue, owner, mode)
        except ConfigurationError as error:
            found[venue, owner] = error
    errors = [each for each in found.values() if isinstance(each, ConfigurationError)]
    if len(errors) == len(found):
        raise errors[0]
    return found
