"""What the tests of the fault switches share: an order to strike, how a fault is armed, and what came of it."""

from __future__ import annotations

import json
from typing import Any

from services.paper_exchange.kraken.front import DelayedRequest
from services.paper_exchange.wire import Reply
from tests.unit.paper_exchange.venue import Venue

ORDER: dict[str, Any] = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.1", "cl_ord_id": "once"}


def arm(venue: Venue, fault: str, **options: Any) -> None:
    venue.exchange.faults.arm(fault, **options)


def answer(reply: Reply | DelayedRequest) -> dict[str, Any]:
    assert isinstance(reply, Reply)
    found: dict[str, Any] = json.loads(reply.body)
    return found


def placed(venue: Venue) -> int:
    return len(venue.exchange.journal.orders)
