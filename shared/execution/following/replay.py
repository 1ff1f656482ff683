"""Finds out what became of an order by sending its recorded request again, at a venue that answers with the first order.

A replay is a send: it needs the lease, the same conditions and a write-ahead of its own, which moves the order's deadline, since
the repeated request may arrive later than the first. It must never change a byte of the request, least of all its client order
id: another id is another order. And it is never the last word on absence: a refused replay made nothing, but an earlier copy may
still arrive until its own deadline.
"""

from __future__ import annotations

import math
from dataclasses import replace

import structlog

from shared.bus.order.send_permit import SendRefusal, SwitchSet
from shared.execution.attempt import Attempt
from shared.execution.conditions import Conditions, StopSending
from shared.execution.record import OrderRecord
from shared.execution.sender import Sender
from shared.execution.timing import LEASE_NEEDED, REPLAY_FOR_MS
from shared.venues.errors import KEY_REFUSALS, Rejected
from shared.venues.port import OrderAck, Outgoing

log = structlog.get_logger()


class _NotOpen(Exception):  # noqa: N818  # control flow out of the adapter, not an error
    """The record is no longer one of a send whose outcome is open."""


class Replay:
    """The replays of one order. `record` is the order's record as it stands after them."""

    def __init__(self, sender: Sender, record: OrderRecord, conditions: Conditions | None) -> None:
        """Without `conditions` nothing is sent."""
        self._sender = sender
        self._conditions = conditions if sender.venue.replays and record.request else None
        self.record = record

    def due(self, record: OrderRecord) -> bool:
        """Return whether the request may be sent again now."""
        self.record = record
        if self._conditions is None or record.venue_order_id or record.sent_at is None:
            return False
        return self._sender.clock.now() < record.sent_at + REPLAY_FOR_MS

    async def send(self) -> OrderAck | None:
        """Send the request again; None if that is not possible, or was refused: from then on the order is only searched for.

        Raises Unavailable, OutcomeUnknown, Rejected for a refused key, LeaseLost, BusUnavailable.
        """
        record, conditions = self.record, self._conditions
        if conditions is None:
            return None
        try:
            return await self._sender.venue.replay(record.request, self._begin, latest_at=conditions.latest_at)
        except StopSending as stop:
            log.info("order not sent again", order_id=record.id, user=self._sender.user, reason=stop.outcome.reason)
        except _NotOpen:
            log.warning("order not sent again: its record has changed", order_id=record.id, user=self._sender.user)
        except Rejected as error:
            if error.refusal in KEY_REFUSALS:
                raise
            log.info("order refused when sent again", order_id=record.id, user=self._sender.user, reason=error.words)
        self._conditions = None
        return None

    async def _begin(self, outgoing: Outgoing) -> int:
        sender, record, conditions = self._sender, self.record, self._conditions
        if conditions is None or outgoing.body != record.request:
            raise _NotOpen
        if (stop := await conditions.guard()) is not None:
            raise StopSending(stop)
        sender.lease.require(LEASE_NEEDED)
        fence = str(sender.lease.token)
        attempt = Attempt.begin(sender.clock, sender.timing, outgoing.deadline_at, fence)
        attempt.sent_at = record.sent_at or attempt.sent_at
        attempt.may_have_left = True
        earlier = sender.attempts.get(record.client_order_id)
        attempt.begun_at = earlier.begun_at if earlier is not None else -math.inf  # the first request may be the order
        sender.attempts[record.client_order_id] = attempt  # before the write-ahead: its answer may be lost
        switches = conditions.switches
        begun = await sender.store.begin_replay(
            record.id, record.client_order_id, outgoing.deadline_at, switches.keys if switches else ()
        )
        if isinstance(begun, SwitchSet) and switches is not None:
            if (stop := await switches.judge()) is not None:
                raise StopSending(stop)
            begun = await sender.store.begin_replay(record.id, record.client_order_id, outgoing.deadline_at)
        if isinstance(begun, SendRefusal | SwitchSet):
            raise _NotOpen
        attempt.deadline_at = begun.deadline_at
        self.record = replace(record, deadline_at=begun.deadline_at, fence=fence)
        return 0
