"""What an executor does between the steps of a send: crash points, send priority, reports of lost orders."""

from __future__ import annotations

from collections.abc import Callable

from services.executor.account.faults import AccountFaults
from services.executor.turn.send_priority import SendPriority
from shared.domain.fault import FaultKind
from shared.execution.sender import SendHooks
from shared.runtime.crash_points import CrashPoint, CrashPoints


class ExecutorHooks(SendHooks):
    """The hooks of one account."""

    def __init__(self, priority: SendPriority, crash_points: CrashPoints, faults: AccountFaults) -> None:
        self.sent: Callable[[], None] | None = None
        """Called for each order that is about to leave."""
        self._priority = priority
        self._crash_points = crash_points
        self._faults = faults

    def written_ahead(self, order_id: str) -> None:
        """Release the send priority: this order is about to leave."""
        self._crash_points.hit(CrashPoint.EXECUTOR_AFTER_WRITE_AHEAD)
        self._priority.release(order_id)
        if self.sent is not None:
            self.sent()

    def replied(self) -> None:
        """Pass the crash point after the venue's reply."""
        self._crash_points.hit(CrashPoint.EXECUTOR_AFTER_REPLY)

    async def before_bookkeeping(self) -> None:
        """Wait until the other orders of the process have left."""
        await self._priority.yield_to_sends()

    def lost(self, order_id: str, reason: str) -> None:
        """Report an order that the venue no longer shows: its symbol, exits included, waits for an operator."""
        self._faults.report(FaultKind.ORDER, reason, f"order {order_id}")

    def shown_again(self, order_id: str) -> None:
        """Clear that report."""
        self._faults.clear(FaultKind.ORDER, f"order {order_id}")
