"""Reports an exit that does not end: after a few seconds, then at intervals, whatever the reason.

An exit is tried for ever, and most reasons to try again are not logged one by one. A position that cannot be sold must not look
like one that is meant to be held.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import structlog

from services.executor.account.faults import AccountFaults
from shared.domain.fault import FaultKind
from shared.domain.order import Decision

FIRST_AFTER: Final = 6.0
"""Seconds; longer than the full time-out of a call."""
_AGAIN_AFTER: Final = 30.0

log = structlog.get_logger()


class ExitDelay:
    """Watches one exit while it runs; a context manager. `reason` returns why it has not ended yet."""

    def __init__(self, faults: AccountFaults, decision: Decision, reason: Callable[[], str]) -> None:
        self._faults = faults
        self._decision = decision
        self._reason = reason
        self._began = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(FIRST_AFTER, self._warn)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._faults.clear(FaultKind.ORDER, self._what)

    @property
    def _what(self) -> str:
        return f"exit of {self._decision.symbol}"

    def _warn(self) -> None:
        waited = time.monotonic() - self._began
        reason = self._reason()
        log.warning(
            "an exit has not ended yet; it is tried again",
            signal_id=self._decision.signal_id,
            user=self._decision.user,
            symbol=str(self._decision.symbol),
            seconds=round(waited),
            reason=reason,
        )
        self._faults.report(FaultKind.ORDER, f"an exit has not ended for {waited:.0f} s: {reason}", self._what)
        self._timer = asyncio.get_running_loop().call_later(_AGAIN_AFTER, self._warn)
