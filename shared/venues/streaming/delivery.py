"""Passes what a stream shows to its reader, in the order of arrival; while the reader compares by REST, the rest waits.

A comparison can take as long as REST does, and meanwhile the venue goes on sending: so reading never waits for it. What waits is
bounded: when too much does, it is dropped, and a further comparison takes its place, since that covers everything before it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NoReturn

from shared.runtime.wake_up import WakeUp
from shared.venues.stream import FundsMoved, OrderSeen, StreamReader

MOST_WAITING: Final = 20_000
"""Events; an account that has more within one comparison is compared again."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """An order of which only REST can tell what has become of it."""

    venue_order_id: str
    why: str


@dataclass(frozen=True, slots=True)
class _Resumed:
    why: str


@dataclass(frozen=True, slots=True)
class _Interrupted:
    why: str


Event = OrderSeen | Unclear | FundsMoved


class Delivery:
    """The events of one reader. `run` must be running for anything to be heard after the first comparison."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._waiting: deque[Event | _Resumed | _Interrupted] = deque()
        self._comparing = False
        self._seeing = False
        self._wake = WakeUp()

    def tell(self, event: Event) -> None:
        """Pass an event: at once, or after what waits."""
        if not self._waiting and not self._comparing:
            self._hand(event)
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting = deque(each for each in self._waiting if isinstance(each, _Interrupted))
            self.resume("too much to read at once")
        self._waiting.append(event)

    def resume(self, why: str) -> None:
        """Have the reader compare. A comparison that has not begun yet moves here: it must cover everything before now."""
        if any(isinstance(each, _Resumed) for each in self._waiting):
            self._waiting = deque(each for each in self._waiting if not isinstance(each, _Resumed))
        self._seeing = True
        self._waiting.append(_Resumed(why))
        self._wake.set()

    def interrupt(self, why: str) -> None:
        """Tell that nothing is seen until the next comparison, unless that was told."""
        if self._seeing:
            self._seeing = False
            self._waiting.append(_Interrupted(why))
            self._wake.set()

    async def run(self) -> NoReturn:
        """Pass what waits, for ever. Raises what the reader raises."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                event = self._waiting.popleft()
                if isinstance(event, _Resumed):
                    self._comparing = True
                    await self._reader.resumed(event.why)
                    self._comparing = False
                elif isinstance(event, _Interrupted):
                    self._reader.interrupted(event.why)
                else:
                    self._hand(event)

    def _hand(self, event: Event) -> None:
        if isinstance(event, OrderSeen):
            self._reader.order_seen(event)
        elif isinstance(event, Unclear):
            self._reader.unclear(event.venue_order_id, event.why)
        else:
            self._reader.funds_moved(event)
