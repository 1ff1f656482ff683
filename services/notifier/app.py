"""The composition root of the notifier. Without an address to send to it says so and ends; with several processes one sends at
a time.

It must never delay another service: it writes nothing that one of them waits for.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final

import structlog

from services.notifier.delivery.outage import OutageNotice
from services.notifier.delivery.target import open_targets
from services.notifier.rules.wording import Words
from services.notifier.turn import Turn
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError, LeaseLost
from shared.bus.ownership.lease import acquire
from shared.bus.ownership.renewals import Renewals
from shared.bus.state.heartbeat import Heartbeat, instance_name
from shared.bus.state.records import Records
from shared.bus.users.gone_users import open_watch
from shared.config.notifications import URLS, URLS_FILE, Event, NotifySettings, Volume, load_notify_settings
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.heartbeat import Phase
from shared.domain.fault import FaultKind, Faults
from shared.runtime.mode_line import log_mode
from shared.runtime.supervision import Supervisor

_RETRY_EVERY: Final = 1.0

log = structlog.get_logger()


async def main(settings: Settings) -> None:
    """Run until cancelled; return at once if nothing is configured. Raises ConfigurationError."""
    notify = load_notify_settings(os.environ, settings.shoal_config, settings.shoal_mode)
    if notify is None:
        log.info(f"no messages are sent: neither {URLS} nor {URLS_FILE} says where to")
        return
    log_mode(settings)
    await run(settings, notify)


async def run(settings: Settings, notify: NotifySettings) -> None:
    """Run until cancelled. Raises ConfigurationError."""
    targets = open_targets(notify.urls)
    faults = Faults(_now_ms)
    async with open_bus(settings.redis_url, "notifier", settings.durability) as bus:
        watch = await open_watch(settings, bus)  # with a register of its own: engine and executors report these files
        instance = instance_name()
        heartbeat = Heartbeat(Records(bus), "notifier", instance, faults, _now_ms, settings.shoal_mode)
        supervisor = Supervisor(faults)
        words = Words(settings.shoal_mode, notify.zone)
        outage = OutageNotice(targets, words, _now_ms)
        turn = Turn(bus, notify, words, targets, lambda: watch.everybody, heartbeat, supervisor, _now_ms)
        log.info("NOTIFIER started", targets=", ".join(each.label for each in targets))
        background = [
            asyncio.create_task(supervisor.keep_up("heartbeat", heartbeat.run)),
            asyncio.create_task(supervisor.keep_up("settings", lambda: watch.run(lambda _: None))),
        ]
        if notify.volume(Event.SERVICE_DOWN) is Volume.ON:
            background.append(asyncio.create_task(supervisor.keep_up("watching Redis", outage.run)))
        try:
            await _run_turns(bus, instance, heartbeat, turn, outage)
        finally:
            for task in background:
                task.cancel()


async def _run_turns(bus: Bus, instance: str, heartbeat: Heartbeat, turn: Turn, outage: OutageNotice) -> None:
    while True:
        heartbeat.phase = Phase.WAITING
        try:
            await _one_turn(bus, instance, heartbeat, turn, outage)
        except LeaseLost as error:
            log.warning("another notifier sends the messages now; standing by", reason=str(error))
        except BusError as error:
            outage.lost(str(error))
            heartbeat.state = f"waiting for Redis: {error}"
            if heartbeat.faults.report(FaultKind.REDIS, keys.NOTIFIER, str(error)):
                log.warning("waiting for Redis", reason=str(error))
        await asyncio.sleep(_RETRY_EVERY)


async def _one_turn(bus: Bus, instance: str, heartbeat: Heartbeat, turn: Turn, outage: OutageNotice) -> None:
    """Hold the lease and work, if no other notifier does. Raises BusError."""
    lease = await acquire(bus, keys.NOTIFIER, instance)
    outage.lead(leads=lease is not None)
    heartbeat.faults.clear(FaultKind.REDIS, keys.NOTIFIER)
    if lease is None:
        if heartbeat.state != "standby":
            log.info("another notifier is active; standing by")
            await heartbeat.publish("standby")
        return
    heartbeat.phase = Phase.OPEN
    count = len(turn.targets)
    await heartbeat.publish(f"sends to {count} address{'' if count == 1 else 'es'}")
    try:
        await Renewals(bus).keep(lease, turn.serve(lease))
    finally:
        await lease.release()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
