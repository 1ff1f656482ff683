"""Decisions that Redis refused to write, for example because a user's stream has the wrong type: kept and retried.

In memory only, and safe to lose: a signal is not acknowledged while one of its decisions is owed, so the next engine distributes
it again, and Redis refuses the decisions that are already written. Retrying must never delay other users, nor change the order
of one user's decisions.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, flatten, read_entries
from shared.domain.fault import FaultKind, Faults

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_PAST_ID: Final = "equal or smaller"
_LOOK_BACK: Final = 1_000
"""Newest entries of a stream that are searched for a decision that was already appended under another id."""
_CANNOT: Final = "decisions cannot be written"

log = structlog.get_logger()


class OwedDecisions:
    """Owed decisions by order stream, oldest first. `elapsed` returns seconds."""

    def __init__(self, bus: Bus, faults: Faults, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._faults = faults
        self._elapsed = elapsed
        self._owed: dict[str, deque[Entry]] = {}
        self._due = 0.0
        self._pause = _FIRST_PAUSE
        for fault in faults.standing:  # from an earlier turn, whose owed signals are distributed again
            if fault.kind is FaultKind.STREAM and fault.reason.startswith(_CANNOT):
                faults.clear(fault.kind, fault.subject)

    @property
    def streams(self) -> Collection[str]:
        """Return the streams with owed decisions."""
        return self._owed.keys()

    @property
    def signals(self) -> frozenset[str]:
        """Return the entry ids of the signals that cannot be acknowledged yet."""
        return frozenset(entry.id for waiting in self._owed.values() for entry in waiting)

    def owes(self, entry_id: str) -> bool:
        """Return whether a decision on this signal is owed."""
        return bool(self._owed) and entry_id in self.signals

    async def handle_unwritten(self, entry: Entry, answer: object) -> None:
        """Handle a decision that was not written, without stopping other users' decisions. Call it in the order of the signals.

        Usually the decision is already there. If the stream is past its id instead (after a fail-over), it is appended under a
        new id: the order's own id prevents a second execution. If the stream cannot be written at all, the decision is owed: as
        a dead letter, an exit would never be executed. Raises BusUnavailable.
        """
        if entry.stream not in self._owed and _PAST_ID in str(answer):
            await self._append_past(entry)
            return
        waiting = self._owed.setdefault(entry.stream, deque())
        if not any(each.id == entry.id for each in waiting):
            waiting.append(entry)
        if isinstance(answer, Exception):
            self._report(entry, str(answer))

    async def write_due(self) -> list[str]:
        """Write what can be written, if a retry is due; return the signals of which no decision is owed any more.

        Raises BusUnavailable.
        """
        if not self._owed or self._elapsed() < self._due:
            return []
        before = self.signals
        answers = await self._bus.do_all([self._command(waiting[0]) for waiting in self._owed.values()])
        for stream, answer in zip(list(self._owed), answers, strict=True):
            await self._write_rest(stream, answer)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if self._owed else _FIRST_PAUSE
        self._due = self._elapsed() + self._pause
        return sorted(before - self.signals)

    async def _write_rest(self, stream: str, answer: object) -> None:
        """Write the remaining decisions of a stream whose oldest owed decision has been answered."""
        waiting = self._owed[stream]
        while not isinstance(answer, Exception) or _PAST_ID in str(answer):
            if isinstance(answer, Exception):
                await self._append_past(waiting[0])
            written = waiting.popleft()
            if not waiting:
                del self._owed[stream]
                self._faults.clear(FaultKind.STREAM, written.fields["user"])
                log.info("the user's stream takes decisions again", user=written.fields["user"])
                return
            (answer,) = await self._bus.do_all([self._command(waiting[0])])
        self._report(waiting[0], str(answer))

    async def _append_past(self, entry: Entry) -> None:
        """Append a decision under a new id unless its signal is decided already: the stream is at its id or past it.

        The signal counts, not the order's id: that contains the venue, and the user's `follow` may have changed since.
        """
        if await self._is_decided(entry):
            return
        log.error(
            "the user's stream was past this signal; its decision stands out of order",
            signal_id=entry.fields["signal_id"],
            user=entry.fields["user"],
            entry_id=entry.id,
        )
        if not await self._is_decided_under_another_id(entry):
            await self._bus.do("XADD", entry.stream, "*", *flatten(entry.fields))

    async def _is_decided(self, entry: Entry) -> bool:
        """Return whether the entry under the signal's id is the decision on it.

        Another entry can have that id: one appended in the same millisecond, as a late decision or by an operator.
        """
        found = read_entries(entry.stream, await self._bus.do("XRANGE", entry.stream, entry.id, entry.id))
        return any(_same_signal(each, entry) for each in found)

    async def _is_decided_under_another_id(self, entry: Entry) -> bool:
        stream = entry.stream
        newest = read_entries(stream, await self._bus.do("XREVRANGE", stream, "+", "-", "COUNT", _LOOK_BACK))
        return any(_same_signal(each, entry) for each in newest)

    def _command(self, entry: Entry) -> tuple[str, ...]:
        return ("XADD", entry.stream, entry.id, *flatten(entry.fields))

    def _report(self, entry: Entry, reason: str) -> None:
        user = entry.fields["user"]
        if self._faults.report(FaultKind.STREAM, user, f"{_CANNOT}: {reason}"):
            log.error("a decision could not be written; tried again until it is", user=user, reason=reason)


def _same_signal(one: Entry, other: Entry) -> bool:
    return one.fields.get("signal_id") == other.fields["signal_id"]
