"""What one mirrored order is to come to, as recorded, and when the next step is due.

It must never hold a wish that Redis does not have: another process takes the order up from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from shared.bus.order.mirrors import MirrorStore
from shared.domain.mirror import Mirror

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 60.0


class MirrorState:
    """The present wish, and the pauses between the tries to carry it out. Times in steady seconds."""

    def __init__(self, store: MirrorStore, mirror: Mirror, steady: Callable[[], float]) -> None:
        self._store = store
        self._steady = steady
        self.mirror = mirror
        self.changed = asyncio.Event()
        """Set when something else is wanted."""
        self.tries = 0
        """Tries in a row that came to nothing."""
        self._pause_until = 0.0

    async def put(self, mirror: Mirror) -> None:
        """Record another wish. Raises LeaseLost, BusUnavailable."""
        if mirror is not self.mirror:
            self.mirror = mirror
            await self._store.put(mirror)

    async def end(self) -> None:
        """Remove the record: the order has its outcome. Raises LeaseLost, BusUnavailable."""
        await self._store.end(self.mirror)

    @property
    def pausing(self) -> bool:
        """Whether nothing is to be tried yet."""
        return self._steady() < self._pause_until

    def pause(self, seconds: float) -> None:
        """Try nothing for so long."""
        self._pause_until = self._steady() + seconds

    def try_later(self, at_least: float = 0.0) -> None:
        """Pause for longer each time, at least so many seconds."""
        pause = min(_FIRST_PAUSE * 2.0 ** min(self.tries, 7), _LONGEST_PAUSE)
        self.tries += 1
        self.pause(max(pause, at_least))

    def try_now(self) -> None:
        """Restart the tries without a pause."""
        self.tries = 0
        self._pause_until = 0.0

    async def wait(self, seconds: float) -> None:
        """Wait until something else is wanted, at most this long; shorter while it is to be tried again."""
        left = self._pause_until - self._steady()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(min(seconds, left) if left > 0 else seconds, self.changed.set)
        try:
            await self.changed.wait()
        finally:
            timer.cancel()
        self.changed.clear()

    def named(self) -> dict[str, object]:
        """Return what log lines name it by."""
        decision = self.mirror.decision
        return {
            "signal_id": decision.signal_id,
            "order_id": decision.id,
            "user": decision.user,
            "symbol": str(decision.symbol),
            "master_order_id": self.mirror.master_order_id,
        }
