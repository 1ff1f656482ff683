"""The channel `heartbeats`: one message a second with a counter. Without it an idle connection is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from services.paper_exchange.coinbase.streams.outbox import Outbox
from services.paper_exchange.coinbase.streams.schedule import Schedule
from services.paper_exchange.core.exchange import Exchange

HEARTBEATS: Final = "heartbeats"
INTERVAL: Final = 1.0  # seconds


class Heartbeats:
    """One subscription. The counter is a JSON number, as recorded in 2026; the older documentation shows a text."""

    def __init__(self, outbox: Outbox, schedule: Schedule, exchange: Exchange, channel: Callable[[], str]) -> None:
        """`channel` returns whose faults strike a heartbeat: the private channel's, if the connection has it."""
        self._outbox = outbox
        self._exchange = exchange
        self._channel = channel
        self._closed = False
        self._begun = exchange.clock.now()
        self._counter = 0
        schedule.every(INTERVAL, self._beat, lambda: not self._closed)

    @property
    def names(self) -> list[str]:
        """Return what the acknowledgement lists (recorded)."""
        return [HEARTBEATS]

    def add(self, product_ids: Iterable[str]) -> None:
        """Ignore products: the channel has none."""

    def remove(self, _product_ids: Iterable[str]) -> bool:
        """Unsubscribe, whatever products are named. Return False: nothing is left."""
        return False

    def close(self) -> None:
        """Stop."""
        self._closed = True

    def _beat(self) -> None:
        now = self._exchange.clock.now()
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")
        event = {"current_time": f"{moment} m=+{now - self._begun:.9f}", "heartbeat_counter": self._counter}
        self._counter += 1
        self._outbox.beat(event, self._channel())
