"""Actions of one connection that happen later: beats, closings, delayed messages. They end with the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Action = Callable[[], None]


class Cancellable(Protocol):
    """What a scheduled action can be stopped with: asyncio's handle, or a test's."""

    def cancel(self) -> None:
        """Stop it."""
        ...


CallLater = Callable[[float, Action], Cancellable]
"""Schedules an action after so many seconds: `loop.call_later`, or a test's own."""


class Schedule:
    """The actions of one connection that are to come."""

    def __init__(self, call_later: CallLater) -> None:
        self._call_later = call_later
        self._waiting: dict[int, Cancellable] = {}
        self._number = 0
        self._ended = False

    def after(self, seconds: float, action: Action) -> None:
        """Run an action after so many seconds, unless the connection has ended by then."""
        if self._ended:
            return
        self._number += 1
        number = self._number

        def run() -> None:
            self._waiting.pop(number, None)
            action()

        self._waiting[number] = self._call_later(max(0.0, seconds), run)

    def every(self, seconds: float, action: Action, goes_on: Callable[[], bool]) -> None:
        """Run an action again and again, at so many seconds from one begin to the next, while `goes_on` says so."""

        def run() -> None:
            if goes_on():
                self.after(seconds, run)
                action()

        self.after(seconds, run)

    def end(self) -> None:
        """Stop everything."""
        self._ended = True
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()
