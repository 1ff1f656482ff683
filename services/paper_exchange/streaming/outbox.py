"""What one connection sends, in order, through the armed faults of streams.

A venue's protocol gives it replies, updates and, each second, perhaps a heartbeat. Replies meet no fault but silence and lag. An
update is a function of its sequence number, so that a fault can leave it out, send it twice or let it trade places with the next
one while the numbers go on as at a venue that behaves. Nothing here waits: listeners of the core call it in the middle of a call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from services.paper_exchange.core.faults import ArmedFault, VenueFaults
from services.paper_exchange.core.market.clock import Clock
from services.paper_exchange.streaming.register import LiveStream

Numbered = Callable[[int], str]
"""The text of a message by its sequence number."""
ENDINGS: Final = ("stream_cut", "stream_close", "stream_silence")
"""Faults that also strike where nothing is sent, within a second."""
CHANGES: Final = ("stream_gap", "stream_repeat", "stream_reorder", "stream_lag")
"""Faults that strike updates alone."""


class Outlet(Protocol):
    """What an outbox needs of a connection (`sockets.Socket`)."""

    def send(self, text: str) -> None:
        """Queue a text for the client."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection with a close frame."""
        ...

    def cut(self) -> None:
        """End the connection without one."""
        ...


@dataclass(frozen=True, slots=True)
class Update:
    """An update; one without a number of its own ignores the one that it gets."""

    text: Numbered
    numbered: bool = True


class Outbox:
    """The messages of one connection. `first` is the sequence number of its first numbered one."""

    def __init__(self, outlet: Outlet, live: LiveStream, faults: VenueFaults, clock: Clock, *, first: int = 1) -> None:
        self._outlet = outlet
        self._live = live
        self._faults = faults
        self._clock = clock
        self._next = first
        self._silent_until = 0.0
        self._displaced: Update | None = None
        self._late: deque[tuple[float, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def reply(self, text: str) -> None:
        """Send something that is no update and has no number: an acknowledgement, a pong, a status."""
        self._pass(text)

    def numbered(self, text: Numbered) -> None:
        """Send a message with a number that meets no fault: a snapshot."""
        self._deliver(Update(text))

    def update(self, channel: str, text: Numbered) -> None:
        """Send an update of a channel, unless a fault makes something else of it."""
        self._send(channel, Update(text))

    def unnumbered(self, channel: str, text: str) -> None:
        """Send an update of a channel whose messages have no number."""
        self._send(channel, Update(lambda _: text, numbered=False))

    def second(self, channels: Iterable[str], text: str) -> None:
        """Note that a second has passed: send a heartbeat (empty if none is due) and the update that waits for another.

        A fault that ends or silences the connection strikes here too, so that an idle one meets it.
        """
        self._deliver_displaced()
        if self._faults.armed:
            for channel in channels:
                struck = self._strike(channel, ENDINGS)
                if struck is not None:
                    self._end_or_silence(struck)
                    return
        if text:
            self._pass(text)

    def end(self) -> None:
        """Forget what has not been sent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._late.clear()

    def _send(self, channel: str, update: Update) -> None:
        struck = self._strike(channel, (*ENDINGS, *CHANGES)) if self._faults.armed else None
        if struck is None:
            self._deliver(update)
        elif struck.fault in ENDINGS:
            self._number(update)
            self._end_or_silence(struck)
        elif struck.fault == "stream_gap":
            self._number(update)
        elif struck.fault == "stream_reorder" and self._displaced is None:
            self._displaced = update
        elif struck.fault == "stream_repeat":
            self._deliver(update)
            self._deliver(update)
        else:
            self._deliver(update, lag=struck.seconds if struck.fault == "stream_lag" else 0.0)

    def _strike(self, channel: str, faults: Iterable[str]) -> ArmedFault | None:
        for fault in faults:
            struck = self._faults.effect(fault, self._live.user, channel)
            if struck is not None:
                return struck
        return None

    def _end_or_silence(self, struck: ArmedFault) -> None:
        if struck.fault == "stream_cut":
            self._outlet.cut()
        elif struck.fault == "stream_close":
            self._outlet.close(1000)
        else:
            self._silent_until = self._clock.now() + struck.seconds

    def _deliver(self, update: Update, lag: float = 0.0) -> None:
        self._pass(update.text(self._number(update)), lag)
        self._deliver_displaced()

    def _deliver_displaced(self) -> None:
        update, self._displaced = self._displaced, None
        if update is not None:
            self._pass(update.text(self._number(update)))

    def _number(self, update: Update) -> int:
        self._next += update.numbered
        return self._next - 1

    def _pass(self, text: str, lag: float = 0.0) -> None:
        """Hand a text over, or let it wait: nothing overtakes what lags."""
        now = self._clock.now()
        if now < self._silent_until:
            return
        if not lag and not self._late:
            self._hand_over(text)
            return
        due = max(now + lag, self._late[-1][0] if self._late else 0.0)
        self._late.append((due, text))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(due - now, self._release)

    def _release(self) -> None:
        """Send what has lagged long enough. The timer decides of the first alone: the clock may be a test's."""
        self._timer = None
        due, _ = self._late[0]
        while self._late and self._late[0][0] <= due:
            self._hand_over(self._late.popleft()[1])
        if self._late:
            self._timer = asyncio.get_running_loop().call_later(self._late[0][0] - due, self._release)

    def _hand_over(self, text: str) -> None:
        self._live.messages += 1
        self._outlet.send(text)
