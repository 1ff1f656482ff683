"""Turns the faults that processes report with their heartbeats into causes: one for each thing, however many processes report
it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from services.notifier.rules.cause import Cause
from services.notifier.rules.wording import shorten
from shared.config.notifications import Event
from shared.domain.fault import Fault, FaultKind
from shared.ledger.live_processes import LiveProcess

BOOKS: Final = ": books"
"""How the subject of a fault ends that says that an account's records are lost: `<user>: books`."""
_REDIS_MS: Final = 30_000
_EVENTS: Final = {
    FaultKind.CLOCK: Event.CLOCK,
    FaultKind.MASTER_SCAN: Event.MASTER_FILLS,
    FaultKind.VENUE_STREAM: Event.STREAM,
    FaultKind.KEY: Event.KEY,
    FaultKind.ORDER: Event.UNKNOWN_ORDER,
}
_TODO: Final = {
    Event.CLOCK: "set the host's clock (chrony or ntpd); entries stop above 5 s, exits never",
    Event.MASTER_FILLS: "ops status; ops master; the venue's status page",
    Event.STREAM: "nothing at once: orders are followed by polling meanwhile; ops status",
    Event.KEY: "ops doctor",
    Event.UNKNOWN_ORDER: "ops unknown",
    Event.BOOKS_LOST: "ops rebuild",
}


class RedisFaults:
    """Holds back that a process has lost Redis, until it has stood for a while beside a Redis that answers this process.

    Its heartbeat comes through Redis: right after an outage it still names what is over already. The outage itself has its own
    message (`delivery/outage.py`); what stays is a process that Redis refuses.
    """

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def settled(self, causes: Iterable[Cause], now: int) -> list[Cause]:
        """Return the causes without those that were first seen less than half a minute before `now` (epoch ms)."""
        found = list(causes)
        self._seen = {each.id: self._seen.get(each.id, now) for each in found if _is_of_redis(each)}
        return [each for each in found if now - self._seen.get(each.id, 0) >= _REDIS_MS]


def _is_of_redis(cause: Cause) -> bool:
    return cause.event in {Event.BLOCKED, Event.FAULT} and f"|{FaultKind.REDIS}|" in cause.key


def of_faults(
    processes: Iterable[LiveProcess], orders: Collection[str], now: int, unknown_after_ms: int
) -> list[Cause]:
    """Return the causes. `orders` are the ids of orders that are reported already, with more than a fault knows of them."""
    found: dict[str, Cause] = {}
    for process in processes:
        if process.service == "notifier":
            continue  # it cannot send that it cannot send
        for fault in process.faults:
            cause = _cause(process.service, fault)
            if cause.event is Event.UNKNOWN_ORDER and (
                now - fault.since < unknown_after_ms or any(order in fault.subject for order in orders)
            ):
                continue
            found.setdefault(cause.id, cause)
    return list(found.values())


def _cause(service: str, fault: Fault) -> Cause:
    event = _event(fault)
    # A clock and the master's fills are about a venue, not about the service that reports them.
    shared = event in {Event.CLOCK, Event.MASTER_FILLS}
    who = fault.subject.removesuffix(BOOKS) if event is Event.BOOKS_LOST else fault.subject
    return Cause(
        event=event,
        key=fault.subject if shared else f"{service}|{fault.kind}|{fault.subject}",
        who=shorten(who if shared or event is Event.BOOKS_LOST else f"{service}, {who}"),
        what=fault.reason,
        since=fault.since,
        todo=_TODO.get(event, "ops status"),
        critical=fault.blocks,
    )


def _event(fault: Fault) -> Event:
    if fault.kind is FaultKind.REDIS and fault.subject.endswith(BOOKS):
        return Event.BOOKS_LOST
    return _EVENTS.get(fault.kind, Event.BLOCKED if fault.blocks else Event.FAULT)
