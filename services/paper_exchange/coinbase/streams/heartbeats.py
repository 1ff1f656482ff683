"""The channel `heartbeats`: one message a second with a counter. Without it an idle connection is closed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from services.paper_exchange.coinbase.streams.outbox import ConnectionOutbox
from services.paper_exchange.core.exchange import Exchange

HEARTBEATS: Final = "heartbeats"


class Heartbeats:
    """One subscription. The counter is a JSON number, as recorded in 2026; the older documentation shows a text."""

    def __init__(self, out: ConnectionOutbox, exchange: Exchange) -> None:
        self._out = out
        self._exchange = exchange
        self._begun = exchange.clock.now()
        self._counter = 0

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
        """Stop; there is nothing to stop."""

    def beat(self) -> None:
        """Send one heartbeat; called once a second."""
        now = self._exchange.clock.now()
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")
        event = {"current_time": f"{moment} m=+{now - self._begun:.9f}", "heartbeat_counter": self._counter}
        self._counter += 1
        self._out.reply(HEARTBEATS, event)
