"""What Coinbase keeps of an order beside the core's record: the request as it was sent, and what is shown when."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.paper_exchange.core.order import Order, Status

ENDED = {Status.CLOSED: "FILLED", Status.CANCELED: "CANCELLED", Status.EXPIRED: "EXPIRED"}
OPEN, PENDING, FAILED = "OPEN", "PENDING", "FAILED"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of an order: its new price and size as sent, and when (seconds)."""

    price: str
    size: str
    at: float


@dataclass(slots=True, eq=False)
class Placed:
    """One order. Instants are seconds since the epoch."""

    order: Order
    client_order_id: str
    product_id: str
    kind: str
    """The key of its configuration, such as `limit_limit_gtc`."""
    fields: dict[str, object]
    pending_until: float = 0.0
    fills_from: float = 0.0
    """Until then its fills, and the sums made of them, are not shown."""
    listed_from: float = 0.0
    """Until then the list of fills does not have its fills; the sums of the order are right."""
    failed: str = ""
    """Why it failed after it had been taken; empty if it did not."""
    edits: list[Edit] = field(default_factory=list)

    def status(self, now: float) -> str:
        """Return the status that the venue shows."""
        return self.shown_status(self.order.status, now)

    def shown_status(self, status: Status, now: float) -> str:
        """Return what the venue shows for a status of the core's order, which may be one that it had a moment ago."""
        if now < self.pending_until:
            return PENDING
        if self.failed:
            return FAILED
        return ENDED.get(status, OPEN)

    def shows_fills(self, now: float) -> bool:
        """Return whether its sums are shown."""
        return now >= max(self.pending_until, self.fills_from)

    def lists_fills(self, now: float) -> bool:
        """Return whether the list of fills has its fills."""
        return self.shows_fills(now) and now >= self.listed_from

    def changed_at(self, now: float) -> float:
        """Return when it last changed, as far as it is shown."""
        order = self.order
        last = max(order.accepted_at, order.amended_at, order.trades[-1].at if order.trades else 0.0, order.closed_at)
        return max(last, self.pending_until) if now >= self.pending_until else order.accepted_at
