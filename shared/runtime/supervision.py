"""Keeps background tasks running: no task may end unnoticed.

A task that raises, or ends when it should not, is logged, counted, shown as a fault and restarted after a pause. If the end of a
task has to end its turn, the turn's task group does that; `endless` makes sure that the group notices, because to a group a task
that just returns, or is cancelled from within, is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from shared.domain.fault import FaultKind, Faults

PAUSE: Final = 5.0
"""Seconds until a failed task is restarted."""
SETTLED: Final = 60.0
"""Seconds for which a task has to run before its last failure is cleared."""

log = structlog.get_logger()


class TaskEndedError(Exception):
    """A task that should run for ever has ended."""


class Supervisor:
    """The background tasks of one process."""

    def __init__(self, faults: Faults | None = None, pause: float = PAUSE, settled: float = SETTLED) -> None:
        self._faults = faults or Faults()
        self._pause = pause
        self._settled = settled
        self._failing: set[str] = set()
        self._over: dict[str, asyncio.TimerHandle] = {}

    async def keep_up(self, name: str, work: Callable[[], Awaitable[None]], *, may_end: bool = False) -> None:
        """Run `work` until cancelled, restarted whenever it fails; with `may_end` it is done when it returns."""
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
        """Record that a task, or a turn, runs: its failure is cleared when it has run for a while."""
        self._forget_timer(name)
        loop = asyncio.get_running_loop()
        self._over[name] = loop.call_later(self._settled, self._clear, name)

    def failed(self, name: str, error: BaseException) -> bool:
        """Record that a task, a turn or a round of one has failed; return True if that is new, so that it is logged once."""
        self._forget_timer(name)
        self._failing.add(name)
        return self._faults.report(FaultKind.TASK, name, f"failed and was restarted: {_leaf(error)}")

    def worked(self, name: str) -> None:
        """Record a round without a failure: earlier failures are cleared if that lasts for a while."""
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
    """Run what should run for ever. Raises TaskEndedError if it returns, or is cancelled by another task than its caller."""
    try:
        await work
    except asyncio.CancelledError:
        _check_cancelled(name)
        raise
    raise TaskEndedError(f"{name} has ended")


async def _with_its_own_end(name: str, work: Awaitable[None]) -> None:
    try:
        await work
    except asyncio.CancelledError:
        _check_cancelled(name)
        raise


def _check_cancelled(name: str) -> None:
    """Raise TaskEndedError unless this task was cancelled: then something inside leaked the cancellation of another."""
    task = asyncio.current_task()
    if task is not None and not task.cancelling():
        raise TaskEndedError(f"{name} was cancelled from within") from None


def _leaf(error: BaseException) -> str:
    """Return the text of the first failure in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
