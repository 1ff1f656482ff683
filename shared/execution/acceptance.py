"""That the venue has accepted an order: recorded at once, or together with the order's end if that comes at once.

The client order id alone finds the order, so a restart does not need this record: it makes finding the order cheaper, and shows
people an order that stays open. It must be recorded before anything is awaited that may take long.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.bus.order.orders import OrderStore
from shared.domain.order import OrderState


class Acceptance:
    """One order's acceptance. `fields` are all that its record has to hold from then on."""

    def __init__(self, store: OrderStore, order_id: str, fields: Mapping[str, str], *, note_price: bool) -> None:
        """`note_price`: the published price of its symbol is recorded with it."""
        self._store = store
        self._order_id = order_id
        self.fields = fields
        self.note_price = note_price
        self.recorded = False

    async def record(self) -> None:
        """Record it, once. Raises LeaseLost, BusUnavailable."""
        if not self.recorded:
            await self._store.move(self._order_id, OrderState.ACCEPTED, self.fields, note_price=self.note_price)
            self.recorded = True
