"""Finds the running processes, and judges which services are down.

The index of processes is read once a minute, and when a service seems to be gone; between, the heartbeats of known processes and
of those that hold a lease are read. A process that has just started with a lease is therefore seen at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.bus.state.records import Records, pairs
from shared.config.notifications import Event
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.heartbeat import HeartbeatRecord
from shared.domain.account import MASTER
from shared.ledger.live_processes import LiveProcess, engine_is_open, read_processes

EXPECTED: Final = ("master-strategy", "copy-engine", "executor")
"""Services without which nothing is copied: they are missed even if they never ran."""
_INDEX_MS, _INDEX_SOONER_MS = 60_000, 10_000
_NOT_OPEN_MS: Final = 120_000
"""An engine that has not begun to copy after this long is reported."""
_WORDS: Final = {
    "master-strategy": ("the master", "it has no heartbeat: the master's trades are not copied"),
    "copy-engine": ("the copy engine", "it has no heartbeat: nothing is copied"),
    "executor": ("all executors", "none has a heartbeat: no order is sent, exits neither"),
    "api": ("the api", "it has no heartbeat: the page is not served"),
}
_LEASES: Final = (("master-strategy", MASTER), ("copy-engine", keys.ENGINE))


class ProcessReader:
    """Knows which processes have been seen."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: set[str] = set()
        self._seen: set[str] = set()
        self._asked_at: int | None = None

    async def read(self, executors: Collection[str], now: int) -> Sequence[LiveProcess]:
        """Read all processes; `executors` are the instances that hold users' leases. Raises BusUnavailable."""
        owners = await self._bus.do_all([("GET", keys.lease(holder)) for _, holder in _LEASES])
        named = {f"{service}:{owner}" for (service, _), owner in zip(_LEASES, owners, strict=True) if owner}
        named |= {f"executor:{owner}" for owner in executors}
        found = await self._heartbeats(self._known | named)
        missing = self._services() - {each.service for each in found}
        if self._is_due(now, sooner=bool(missing)):
            self._asked_at = now
            found = await self._heartbeats(named.union(await Records(self._bus).processes()))
        self._known = {f"{each.service}:{each.instance}" for each in found}
        self._seen |= {each.service for each in found} & _WORDS.keys()
        return found

    def missing(self, found: Sequence[LiveProcess], now: int) -> list[Cause]:
        """Return the services that are down, or have not begun to work for long."""
        running = {each.service for each in found}
        causes = [_down(service) for service in sorted(self._services() - running)]
        engines = [each for each in found if each.service == keys.ENGINE]
        if engines and not any(map(engine_is_open, engines)):
            since = max(each.since or now for each in engines)
            if now - since > _NOT_OPEN_MS:
                what = f"it is running and does not copy: {engines[0].state}"
                causes.append(
                    Cause(Event.SERVICE_DOWN, "not-open", "the copy engine", what, since, "ops status", keys.ENGINE)
                )
        return causes

    def _services(self) -> set[str]:
        return {*EXPECTED, *self._seen}

    def _is_due(self, now: int, *, sooner: bool) -> bool:
        if self._asked_at is None:
            return True
        return not 0 <= now - self._asked_at < (_INDEX_SOONER_MS if sooner else _INDEX_MS)

    async def _heartbeats(self, names: Collection[str]) -> Sequence[LiveProcess]:
        wanted = sorted(names)
        answers = await self._bus.do_all([("HGETALL", keys.heartbeat(*name.split(":", 1))) for name in wanted])
        records = {}
        for name, answer in zip(wanted, answers, strict=True):
            try:
                if fields := pairs(answer):
                    records[name] = HeartbeatRecord.parse(fields)
            except MalformedMessageError:
                records[name] = HeartbeatRecord(state="running")  # of another version, and alive
        return read_processes(records)


def _down(service: str) -> Cause:
    who, what = _WORDS[service]
    return Cause(Event.SERVICE_DOWN, service, who, what, None, f"start it again; ops health {service}", service)
