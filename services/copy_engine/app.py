"""The composition root of the copy engine.

The process acquires the engine's lease or stands by. Whatever ends a turn (a lost lease, Redis gone), the next turn starts from
the state in Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from services.copy_engine.engine import Engine
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusRefused, BusUnavailable, GroupLost, LeaseLost
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.ownership.renewals import Renewals
from shared.bus.state.heartbeat import Heartbeat, instance_name
from shared.bus.state.records import Records
from shared.bus.state.venue_time import VenueTimes
from shared.bus.users.gone_users import open_watch, restore_last_settings, settle_gone_users
from shared.config.renames import RenamesFile
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.heartbeat import Phase
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.venue import VENUES
from shared.runtime.clock_alarm import ClockAlarm
from shared.runtime.crash_points import CrashPoints
from shared.runtime.mode_line import log_mode
from shared.runtime.supervision import Supervisor

_RENAMES_EVERY: Final = 5.0
"""Seconds between checks of the table of renamed assets."""
_RETRY_EVERY: Final = 1.0
"""Seconds between attempts to acquire the lease, and before a new turn after an outage."""

log = structlog.get_logger()


async def main(settings: Settings) -> None:
    """Run until cancelled."""
    faults = Faults(_now_ms)
    crash_points = CrashPoints(settings.debug_die_at)
    log_mode(settings)
    async with open_bus(settings.redis_url, "copy-engine", settings.durability) as bus:
        instance = instance_name()
        watch = await open_watch(settings, bus, faults)
        await restore_last_settings(bus, watch)
        heartbeat = Heartbeat(Records(bus), "copy-engine", instance, faults, _now_ms, settings.shoal_mode)
        serving: list[Engine] = []
        renames = RenamesFile(settings.shoal_config, faults)
        times = VenueTimes(bus, VENUES, _now_ms)
        alarm = ClockAlarm(faults, times.offset)

        def new_engine() -> Engine:
            users = renames.named(watch.everybody.values())
            keep = settings.retention_ms
            serving[:] = [Engine(bus, users, heartbeat, times, time.monotonic, crash_points, keep, alarm.refusal)]
            return serving[0]

        def follow(users: Mapping[str, UserPolicy]) -> None:
            for engine in serving:
                engine.follow(renames.named(users.values()))

        async def follow_renames() -> None:
            while True:
                await asyncio.sleep(_RENAMES_EVERY)
                if renames.look():
                    follow(watch.everybody)

        await times.refresh()  # before any age is judged
        keep_up = Supervisor(faults).keep_up
        background = [
            asyncio.create_task(keep_up("heartbeat", heartbeat.run)),
            asyncio.create_task(keep_up("settings", lambda: watch.run(follow))),
            asyncio.create_task(keep_up("gone users", lambda: settle_gone_users(bus, watch, follow))),
            asyncio.create_task(keep_up("the venue's time", lambda: times.run(alarm.look))),
            asyncio.create_task(keep_up("names", follow_renames)),
        ]
        try:
            await _run_turns(bus, instance, heartbeat, new_engine)
        finally:
            for task in background:
                task.cancel()


async def _run_turns(bus: Bus, instance: str, heartbeat: Heartbeat, new_engine: Callable[[], Engine]) -> None:
    while True:
        heartbeat.phase = Phase.WAITING
        try:
            lease = await acquire(bus, keys.ENGINE, instance)
            if lease is None:
                heartbeat.faults.clear(FaultKind.REDIS, keys.ENGINE)  # the active engine reports it
                if heartbeat.state != "standby":
                    log.info("COPY ENGINE: another engine is active; standing by")
                    heartbeat.state = "standby"
            else:
                await _run_turn(Renewals(bus), new_engine(), lease)
        except (
            BusUnavailable,
            BusRefused,
        ) as error:  # a refusal is waited out too: a process that exits copies nothing
            heartbeat.state = f"waiting for Redis: {error}"
            if heartbeat.faults.report(FaultKind.REDIS, keys.ENGINE, str(error), blocks=True):
                log.warning("waiting for Redis", reason=str(error))
        except GroupLost as error:
            log.warning("Redis has lost its data; the engine starts again", reason=str(error))
        except LeaseLost as error:
            log.warning("the engine's lease has passed on; standing by", reason=str(error))
        await asyncio.sleep(_RETRY_EVERY)


async def _run_turn(renewals: Renewals, engine: Engine, lease: Lease) -> None:
    try:
        await renewals.keep(lease, engine.serve(lease), everywhere=True)  # it writes to all users
    finally:
        await lease.release()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
