"""The durable side of the master's own orders: the intent before the send, each step after it, the end with its report.

Nothing may leave without `begin`: it checks the lease and the switches at the last moment, inside the lane, and then writes the
intent and takes the nonce in one step.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

import structlog

from services.master_strategy.fills.fills import average_price
from services.master_strategy.trading.own_order import OwnOrder
from shared.bus.lease import Lease
from shared.bus.nonce import NonceCounter
from shared.bus.orders import NotBegun, OrderStore, PositionChange
from shared.bus.records import Records
from shared.contracts.fields import MalformedMessageError, text
from shared.contracts.messages import ReportMessage
from shared.contracts.verdict import VerdictRecord
from shared.domain.account import MASTER
from shared.domain.control import refusal
from shared.domain.order import OrderState
from shared.domain.signal import signal_id
from shared.venues.port import VenueOrder

VENUE_TIMEOUT: Final = 5.0
"""Seconds for one call to the venue."""
_LEASE_NEEDED: Final = VENUE_TIMEOUT + 1.0
"""Seconds of the lease that must be left when an order goes out: its answer must still be ours to write."""

_log = structlog.get_logger(__name__)


class Denied(Exception):  # noqa: N818  # not a failure: a switch forbids it; it passes through the venue's lane to the sender
    """Sending is forbidden just now; the text says by what."""


class WriteAhead:
    """The records of the master's orders under one lease."""

    def __init__(self, store: OrderStore, records: Records, nonces: NonceCounter, lease: Lease) -> None:
        self._store = store
        self._records = records
        self._nonces = nonces
        self._lease = lease

    async def begin(self, own: OwnOrder) -> int:
        """Write the intent and give the nonce to send with. Raises Denied, LeaseLost, BusUnavailable."""
        self._lease.require(_LEASE_NEEDED)
        forbidden = refusal(own.kind, *await self._records.switches(MASTER))
        if forbidden:
            raise Denied(forbidden.reason)
        begun = await self._store.begin(own.id, self._nonces, own.fields())
        if isinstance(begun, NotBegun):
            raise Denied(f"an order with this id is {begun.state} already")
        return begun.nonce

    async def accepted(self, own: OwnOrder, at: int) -> None:
        """Record that the venue took it, and under which name."""
        fields = {"venue_order_id": own.venue_order_id, "accepted_at": str(at)}
        await self._store.move(own.id, OrderState.ACCEPTED, fields)

    async def unknown(self, own: OwnOrder, why: str) -> None:
        """Record that nobody knows yet whether the venue took it."""
        await self._store.move(own.id, OrderState.UNKNOWN, {"why": why})

    async def verdict(self, own: OwnOrder) -> VerdictRecord | None:
        """Read what an operator has said of an order that the venue would not tell about (`ops resolve`); None if nothing."""
        fields = await self._store.load(own.id)
        if not fields.get("verdict"):
            return None
        try:
            return VerdictRecord.parse(fields)
        except MalformedMessageError:
            return None  # half of it, typed by hand into redis-cli, is no verdict yet

    async def settle(
        self,
        own: OwnOrder,
        outcome: OrderState,
        why: str,
        *,
        found: VenueOrder | None,
        change: PositionChange | None,
        at: int,
    ) -> bool:
        """End the order with its report; False if it had ended before. `found` is the venue's record, if it has one."""
        filled = found if found and found.filled.amount > 0 else None
        price = average_price(filled.filled, filled.cost, own.symbol) if filled else None
        report = ReportMessage(
            id=str(uuid5(UUID(own.id), "report")),
            order_id=own.id,
            signal_id=signal_id(own.venue, filled.venue_order_id, filled.filled) if filled else "",
            user=MASTER,
            venue=own.venue,
            symbol=own.symbol,
            side=own.side,
            kind=own.kind,
            outcome=outcome,
            reason=why,
            venue_order_id=found.venue_order_id if found else own.venue_order_id,
            filled_size=found.filled.amount if found else None,
            average_price=price.amount if price else None,
            fee=found.fee if found else None,
            sent_at=own.sent_at,
            settled_at=at,
        )
        fields = {
            "signal_id": report.signal_id,
            "venue_order_id": report.venue_order_id,
            "filled_size": text(report.filled_size),
            "average_price": text(report.average_price),
            "fee": text(report.fee),
            "why": why,
            "settled_at": str(at),
        }
        return await self._store.settle(report, entry_id="", fields=fields, position=change)

    async def unfinished(self) -> list[OwnOrder]:
        """Find the orders that an earlier run left without an end. What cannot be read is said, and left for a person."""
        found = []
        for order_id, fields in (await self._store.open_orders()).items():
            if fields["state"] == OrderState.PLANNED:
                continue  # nothing of it was ever sent
            try:
                found.append(OwnOrder.read(order_id, fields))
            except (KeyError, ValueError, ArithmeticError) as error:
                _log.error("an order's record cannot be read", order_id=order_id, error=repr(error))
        return found
