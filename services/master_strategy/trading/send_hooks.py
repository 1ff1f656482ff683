"""What the master does between the steps of a send: crash points, early parts of a fill, a refused key, an order that is lost."""

from __future__ import annotations

from typing import Final

from services.master_strategy.fills.fill_watcher import FillWatcher
from services.master_strategy.trading.own_order import OwnOrder
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.execution.sender import SendHooks
from shared.runtime.crash_points import CrashPoint, CrashPoints
from shared.venues.errors import Refusal, Rejected
from shared.venues.port import VenueOrder

_PATIENCE_MS: Final = 20_000
"""From the start of an order: then a part of it that has filled is emitted although the order is still open."""


class OwnAccount:
    """The master's account as the sender sees it: a refused key ends the session, and the next one begins with a fresh look."""

    def __init__(self) -> None:
        self._refused: Rejected | None = None

    @property
    def ready(self) -> bool:
        """True: a session that runs is connected. Raises Rejected if the key was refused since."""
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
    """The hooks of the orders that one trader has under way."""

    def __init__(self, watcher: FillWatcher, faults: Faults, crash_points: CrashPoints, account: OwnAccount) -> None:
        self._watcher = watcher
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
        """Note that an order is about to be settled."""
        self._crash_points.hit(CrashPoint.MASTER_BEFORE_SETTLE)

    def written_ahead(self, order_id: str) -> None:
        """Note that the bytes are about to leave."""
        self._crash_points.hit(CrashPoint.MASTER_AFTER_WRITE_AHEAD)

    def replied(self) -> None:
        """Note that the venue has taken an order."""
        self._crash_points.hit(CrashPoint.MASTER_AFTER_REPLY)

    async def still_open(self, order_id: str, order: VenueOrder, asked_at: int) -> None:
        """Emit what has filled of an order that stays open for long."""
        own = self._orders.get(order_id)
        if own is not None and asked_at >= own.begun_at + _PATIENCE_MS:
            await self._watcher.emit_missing(order, own)

    def lost(self, order_id: str, reason: str) -> None:
        """Report a named order that the venue shows no more."""
        self._faults.report(FaultKind.ORDER, self._subject(order_id), reason)

    def shown_again(self, order_id: str) -> None:
        """Clear that report."""
        self._faults.clear(FaultKind.ORDER, self._subject(order_id))

    @staticmethod
    def _subject(order_id: str) -> str:
        return f"{MASTER} {order_id}"
