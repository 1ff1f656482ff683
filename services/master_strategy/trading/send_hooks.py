"""What the master does between the steps of a send: crash points, early parts of a fill, a refused key, lost orders."""

from __future__ import annotations

from typing import Final

from services.master_strategy.fills.signal_emitter import SignalEmitter
from services.master_strategy.trading.own_order import OwnOrder
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.execution.sender import SendHooks
from shared.runtime.crash_points import CrashPoint, CrashPoints
from shared.venues.errors import Refusal, Rejected
from shared.venues.port import VenueOrder

_PATIENCE_MS: Final = 20_000
"""Age of an order from which a filled part is emitted although the order is still open."""


class OwnAccount:
    """The account state of the master's sender: a refused key ends the session; the next one begins from what the venue holds."""

    def __init__(self) -> None:
        self._refused: Rejected | None = None

    @property
    def ready(self) -> bool:
        """Return True: a running session is connected. Raises Rejected if the key was refused since."""
        self.raise_refused()
        return True

    async def until_ready(self) -> None:
        """Return at once. Raises Rejected if the key was refused."""
        self.raise_refused()

    async def park(self, words: str, refusal: Refusal) -> None:
        """Note that the key was refused: the session ends as soon as what was refused is recorded."""
        self._refused = Rejected(words, refusal)

    def raise_refused(self) -> None:
        """Raise Rejected if the key was refused."""
        if self._refused is not None:
            raise self._refused


class MasterHooks(SendHooks):
    """The hooks of one trader's orders."""

    def __init__(
        self,
        emitter: SignalEmitter,
        faults: Faults,
        crash_points: CrashPoints,
        account: OwnAccount,
        owner: str = MASTER,
    ) -> None:
        self._owner = owner
        self._emitter = emitter
        self._faults = faults
        self._crash_points = crash_points
        self._account = account
        self._orders: dict[str, OwnOrder] = {}

    def follow(self, own: OwnOrder) -> None:
        """Note an order that is about to be sent or resolved."""
        self._orders[own.id] = own

    def forget(self, own: OwnOrder) -> None:
        """Drop an order that has ended."""
        self._orders.pop(own.id, None)
        self.shown_again(own.id)

    def raise_refused_key(self) -> None:
        """Raise Rejected if the venue has refused the key: that ends the session."""
        self._account.raise_refused()

    def before_settle(self) -> None:
        """Pass the crash point before a settlement."""
        self._crash_points.hit(CrashPoint.MASTER_BEFORE_SETTLE)

    def written_ahead(self, order_id: str) -> None:
        """Pass the crash point after the write-ahead."""
        self._crash_points.hit(CrashPoint.MASTER_AFTER_WRITE_AHEAD)

    def replied(self) -> None:
        """Pass the crash point after the venue's reply."""
        self._crash_points.hit(CrashPoint.MASTER_AFTER_REPLY)

    async def still_open(self, order_id: str, order: VenueOrder, asked_at: int) -> None:
        """Emit what has filled of an order that stays open for long."""
        own = self._orders.get(order_id)
        if own is not None and asked_at >= own.begun_at + _PATIENCE_MS:
            await self._emitter.emit_missing(order, own)

    def lost(self, order_id: str, reason: str) -> None:
        """Report an order that the venue no longer shows."""
        self._faults.report(FaultKind.ORDER, self._subject(order_id), reason)

    def shown_again(self, order_id: str) -> None:
        """Clear that report."""
        self._faults.clear(FaultKind.ORDER, self._subject(order_id))

    def _subject(self, order_id: str) -> str:
        return f"{self._owner} {order_id}"
