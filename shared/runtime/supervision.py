"""Keeps background tasks running: nothing that supervises may die in silence.

A task that raises, or ends when it should not, is logged, counted, shown as a fault and begun again after a pause. Where the
death of a task has to end its turn, the turn's task group stays; `endless` makes sure that the group hears of it, because a group
takes a task that just returns, or is cancelled from within, for one that is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from shared.domain.fault import FaultKind, Faults

PAUSE: Final = 5.0
"""Seconds until a task that has failed is begun again."""
SETTLED: Final = 60.0
"""Seconds for which a task has to run until its last failure counts as over."""

log = structlog.get_logger()


class TaskEndedError(Exception):
    """A task that is to run for ever has ended."""


class Supervisor:
    """The background tasks of one process."""

    def __init__(self, faults: Faults | None = None, pause: float = PAUSE, settled: float = SETTLED) -> None:
        self._faults = faults or Faults()
        self._pause = pause
        self._settled = settled
        self._failing: set[str] = set()
        self._over: dict[str, asyncio.TimerHandle] = {}

    async def keep_up(self, name: str, work: Callable[[], Awaitable[None]], *, may_end: bool = False) -> None:
        """Run `work` until cancelled, begun again whenever it fails; `may_end`: it is done once it returns."""
        while True:
            self.began(name)
            try:
                if may_end:
                    await _with_its_own_end(name, work())
                    return
                await endless(name, work())
            except Exception as error:
                if self.failed(name, error):
                    log.exception("a background task failed and begins again", task=name)
            await asyncio.sleep(self._pause)

    def began(self, name: str) -> None:
        """Note that a task, or a turn, runs: its failure is over once it has run for a while."""
        self._forget_timer(name)
        loop = asyncio.get_running_loop()
        self._over[name] = loop.call_later(self._settled, self._clear, name)

    def failed(self, name: str, error: BaseException) -> bool:
        """Note that a task, a turn or a round of one has failed; return True if that is new, so that it is logged once."""
        self._forget_timer(name)
        self._failing.add(name)
        return self._faults.report(FaultKind.TASK, name, f"failed and was begun again: {_leaf(error)}")

    def worked(self, name: str) -> None:
        """Note that a round has been made without a failure: earlier ones are over if that lasts for a while."""
        if name in self._failing and name not in self._over:
            self.began(name)

    def _clear(self, name: str) -> None:
        self._over.pop(name, None)
        self._failing.discard(name)
        self._faults.clear(FaultKind.TASK, name)

    def _forget_timer(self, name: str) -> None:
        if (timer := self._over.pop(name, None)) is not None:
            timer.cancel()


async def endless(name: str, work: Awaitable[None]) -> None:
    """Run what is to run for ever. Raises TaskEndedError if it returns, or is cancelled by anybody but its caller."""
    await _with_its_own_end(name, work)
    raise TaskEndedError(f"{name} has ended")


async def _with_its_own_end(name: str, work: Awaitable[None]) -> None:
    try:
        await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancels this task: something inside leaked the cancellation of another.
        raise TaskEndedError(f"{name} was cancelled from within") from None


def _leaf(error: BaseException) -> str:
    """Return the words of the first failure in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
