"""The composition root of an executor: claims users by lease, up to its capacity, and serves each in a turn of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from services.executor.account.context_factory import AccountContextFactory
from services.executor.protection.price_alarm import PriceAlarm
from services.executor.turn.claims import Claims
from services.executor.turn.control_watch import ControlWatch
from services.executor.turn.key_watch import KeyWatch
from services.executor.turn.master_watch import watch_for_master
from services.executor.turn.roster import Roster
from services.executor.turn.stream_readers import StreamReaders
from services.executor.turn.user_turn import UserTurn
from services.executor.venue_upkeep import VenueUpkeep
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError, BusForbidden, BusRefused
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.renewals import Renewals
from shared.bus.state.heartbeat import Heartbeat, instance_name
from shared.bus.state.records import Records
from shared.bus.state.watch import Watch
from shared.bus.users.gone_users import open_watch, restore_last_settings, settle_gone_users
from shared.bus.users.last_settings import LastSettings
from shared.config.keys.secrets import keys_without_user
from shared.config.preflight import require_green
from shared.config.settings import Settings
from shared.config.users.watch import UsersWatch
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy
from shared.runtime.gc_tuning import tune_gc_for
from shared.runtime.mode_line import log_mode
from shared.runtime.supervision import Supervisor, endless
from shared.venues.factory import HttpSession, new_http_session

_CLAIM_EVERY: Final = 1.0
_NAMES_EVERY: Final = 5.0
"""Seconds between looks at the table of renamed assets and at the venue's list, which its adapter caches for minutes."""
_KEPT_AT_ONCE: Final = 256
"""Users whose settings are saved per round, so that a crowd delays nothing."""

log = structlog.get_logger()


async def main(settings: Settings) -> None:
    """Run until cancelled. Raises ConfigurationError for what must be corrected first."""
    require_green(settings)
    log_mode(settings)
    settings.egress.require_usable()
    if settings.ignored_proxy:
        log.warning(settings.ignored_proxy)
    async with (
        open_bus(settings.redis_url, "executor", settings.durability) as bus,
        new_http_session(settings.egress) as http,
    ):
        watch = await open_watch(settings, bus, groups=settings.executor_groups)
        await restore_last_settings(bus, watch)
        for name in keys_without_user(watch.everybody):
            log.warning("a key belongs to no user: there is no file of that name", variable=name)
        pinned, groups = settings.executor_users, settings.executor_groups
        roster = Roster(watch.everybody, pinned, str(settings.shoal_config), groups)
        await Executor(settings, bus, http, roster, watch).run()


class Executor:
    """One executor process."""

    def __init__(self, settings: Settings, bus: Bus, http: HttpSession, roster: Roster, watch: UsersWatch) -> None:
        self._bus = bus
        self._mode = settings.shoal_mode
        self._roster = roster
        self._watch = watch
        self._owner = instance_name()
        self.faults = Faults(_now_ms)
        self._supervisor = Supervisor(self.faults)
        self._reader = StreamReaders(bus, sorted(watch.everybody), self.faults)
        self._master_seen = asyncio.Event()
        self._contexts = AccountContextFactory(settings, bus, http, _now_ms, self.faults)
        self._venues = VenueUpkeep(bus, self._contexts, self._owner, self._supervisor)
        self._looks = Watch(bus)
        self._alarm = PriceAlarm(bus)
        self._controls = ControlWatch(bus, self._contexts.priority)
        self._turns: dict[str, UserTurn] = {}
        self._key_watch = KeyWatch(self._contexts, self._turns, self._cancel, self.faults)
        self._handed_over: set[UserTurn] = set()
        """Turns of users of another group by now, which were cancelled: a second cancel would interrupt how they end."""
        self._reported: dict[str, str] = {}
        self._renewals = Renewals(bus)
        capacity = max(settings.executor_capacity, len(settings.executor_users))
        self._groups = ",".join(sorted(settings.executor_groups))
        self._claims = Claims(bus, roster.claimable(), capacity, self._owner, self._serve, self.faults)
        self._claims.groups = self._groups
        self._claims.last = roster.without_entries()

    async def run(self) -> None:
        """Claim and serve until cancelled; then release every lease at once."""
        heartbeat = Heartbeat(Records(self._bus), "executor", self._owner, self.faults, _now_ms, self._mode)
        heartbeat.groups = self._groups
        reading = asyncio.create_task(endless("order readers", self._reader.run()))
        keep_up = self._supervisor.keep_up
        helpers = [
            asyncio.create_task(keep_up("heartbeat", heartbeat.run)),
            asyncio.create_task(
                keep_up("master watch", lambda: watch_for_master(self._bus, self._master_seen), may_end=True)
            ),
            asyncio.create_task(keep_up("settings", lambda: self._watch.run(self._take_over))),
            asyncio.create_task(keep_up("names", self._follow_names)),
            asyncio.create_task(keep_up("keys", self._key_watch.run)),
            asyncio.create_task(keep_up("price alarm", self._alarm.run)),
            asyncio.create_task(keep_up("control hashes", self._controls.run)),
            asyncio.create_task(
                keep_up("gone users", lambda: settle_gone_users(self._bus, self._watch, self._take_over))
            ),
            asyncio.create_task(keep_up("last settings", self._keep_settings)),
        ]
        try:
            while True:
                self._venues.serve(self._roster.venues())
                self._end_leaving()
                await self._claims.update()
                heartbeat.state, heartbeat.capacity = self._claims.state, self._claims.capacity
                heartbeat.serving = self._claims.serving
                self._report_files()
                tune_gc_for(len(self._turns))
                await asyncio.sleep(_CLAIM_EVERY)
                if reading.done():
                    reading.result()  # an unexpected failure of the reader ends the process
        finally:
            # The reader first: nothing may be delivered to a turn that is ending.
            await _end(reading, *helpers, *self._venues.tasks)
            await self._claims.end()

    def _take_over(self, users: Mapping[str, UserPolicy]) -> None:
        """Apply changed settings from now on, in running turns as well; other venues or other money take a new turn."""
        self._roster.update(users)
        self._claims.users, self._claims.last = self._roster.claimable(), self._roster.without_entries()
        self._handed_over.intersection_update(self._turns.values())
        for user, turn in self._turns.items():
            if not self._roster.serves(user):
                self._hand_over(user, turn)
            elif not turn.follow(self._roster.policy(user)):
                self._claims.cancel(user)

    def _hand_over(self, user: str, turn: UserTurn) -> None:
        """End the turn of a user of another group by now, whose executors take the user over like that of a dead process."""
        if turn not in self._handed_over:
            log.info("the user is of another group now: executors of that group go on", user=user)
            self._handed_over.add(turn)
            self._claims.cancel(user)

    async def _follow_names(self) -> None:
        """Begin a new turn for the users whose turn has outdated asset names."""
        while True:
            await asyncio.sleep(_NAMES_EVERY)
            self._contexts.renames.look()
            for user, turn in list(self._turns.items()):
                if turn.connected and await turn.names_changed(self._contexts.renames):
                    log.info("assets were renamed: a new turn begins", user=user)
                    self._claims.cancel(user)

    def _cancel(self, user: str) -> None:
        self._claims.cancel(user)

    def _end_leaving(self) -> None:
        """End the turns of users who leave, between two orders."""
        for user, turn in self._turns.items():
            if self._roster.may_leave(user, flat=turn.flat) and turn.idle:  # few leave, so that is asked first
                log.info("user let go", user=user)
                self._roster.leave(user)
                self._claims.users = self._roster.claimable()
                self._claims.cancel(user)

    def _report_files(self) -> None:
        """Report the served users whose file is bad or missing; the engine reports all others."""
        now = {user: fault for user in self._turns if (fault := self._roster.policy(user).fault)}
        for user, fault in now.items():
            if self._reported.get(user) != fault:
                self.faults.report(FaultKind.USER_FILE, user, fault)
        for user in self._reported.keys() - now.keys():
            self.faults.clear(FaultKind.USER_FILE, user)
        self._reported = now

    async def _keep_settings(self) -> None:
        """Save the settings of the served users, for a start at which their file is bad or missing."""
        kept: dict[str, UserPolicy] = {}
        while True:
            new = [policy for user in self._turns if kept.get(user) is not (policy := self._roster.policy(user))]
            new = new[:_KEPT_AT_ONCE]
            with suppress(BusError):
                await LastSettings(self._bus).write(new)
                kept |= {policy.user: policy for policy in new}
            await asyncio.sleep(_CLAIM_EVERY)

    async def _serve(self, user: str, lease: Lease) -> None:
        """Serve a user until the lease or Redis is lost, and release the lease."""
        policy = self._roster.policy(user)
        log.info("serving user", user=user)
        turn = f"turn of {user}"
        self._supervisor.began(turn)
        try:
            contexts = {venue: await self._contexts.make(policy, venue, lease) for venue in policy.venues}
            serving = UserTurn(
                self._bus,
                self._reader,
                contexts,
                lease,
                user=user,
                master_seen=self._master_seen,
                faults=self.faults,
                supervisor=self._supervisor,
                watch=self._looks,
                alarm=self._alarm,
                controls=self._controls,
            )
            if not self._roster.serves(user) or not serving.follow(self._roster.policy(user)):
                return  # settings changed while the contexts were built: these are for another turn
            self._turns[user] = serving
            await self._renewals.keep(lease, serving.serve())
        except* (BusRefused, BusForbidden) as group:  # a key of this user's, not Redis: tried again after a pause
            self._claims.refused(user, "; ".join(str(error) for error in group.exceptions))
        except* BusError as group:
            log.warning("turn ended", user=user, reason="; ".join(str(error) for error in group.exceptions))
        except* Exception as group:  # one user's crash stops no other user
            log.error("turn ended by an unexpected failure", user=user, exc_info=group)
            self._supervisor.failed(turn, group)
            self._supervisor.began(turn)  # cleared in a while, if another process takes the user
            self._claims.rest(user)
        finally:
            self._turns.pop(user, None)
            self._contexts.forget_faults(user)
            await lease.release()


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
