"""One decision as the pattern of many: all users who copy a signal in the same way differ in a few fields of their orders.

The engine writes an order per user and signal; to validate and format seventeen fields of each, of which eleven are the same,
would cost it more than to decide. The pattern is written as every message is, so that the schema alone knows names and order.
It must only be filled with values that come from the domain: nothing is checked here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from shared.contracts.messages import OrderMessage
from shared.domain.money import plain
from shared.domain.order import Decision

_PLACE: Final = {name: 2 * number + 1 for number, name in enumerate(OrderMessage.model_fields)}
"""Where the value of each field stands among names and values."""
_ID, _USER, _SIZE, _REASON, _EQUITY, _AT = (
    _PLACE[name] for name in ("id", "user", "base_size", "reason", "user_equity", "emitted_at")
)


class OrderPattern:
    """What stands in an order's entry, with places for what is a user's own."""

    def __init__(self, decision: Decision) -> None:
        self._flat = [part for pair in OrderMessage.from_domain(decision).fields().items() for part in pair]

    def filled(
        self, order_id: str, user: str, size: Decimal | None, reason: str, equity: Decimal | None, emitted_at: int
    ) -> list[str]:
        """Write one user's order: names and values in turn, as XADD takes them. `size` in base, `equity` in quote units."""
        flat = self._flat.copy()
        flat[_ID] = order_id
        flat[_USER] = user
        flat[_SIZE] = "" if size is None else plain(size)
        flat[_REASON] = reason
        flat[_EQUITY] = "" if equity is None else plain(equity)
        flat[_AT] = str(emitted_at)
        return flat
