"""Sends orders to Coinbase, and replays: written ahead with the end of their token, then signed and sent, once.

The token's end is fixed before the write-ahead and never moved: a process that is frozen in between sends an expired token, or
nothing. A 401 says that the request was not processed, so it is repeated with a fresh token that ends at the same instant.

It must never send after that instant, nor under a client order id or a content that was not recorded.
Sources: COINBASE.md, C2, C4, C7 to C10.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from shared.venues.coinbase.errors import UNAUTHORIZED, failure_of, refusal_of
from shared.venues.coinbase.order_rows import is_id
from shared.venues.coinbase.questions import TOKEN_PAUSES
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.transport import CoinbaseApi, Reply
from shared.venues.deadline import deadline_of
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import BeginSend, OrderAck, Outgoing
from shared.venues.venue_clock import VenueTime

SHORTEST_LIFE_MS: Final = 2_000
"""From the start of a send to the end of its token, at least: a token ends at a full second, so one is left for the request."""
_TOO_LATE = "the order's deadline passed before it could be sent"


class Submission:
    """Sends the orders of one key."""

    def __init__(self, api: CoinbaseApi, budget: CoinbaseBudget, *, clock: VenueTime) -> None:
        self._api = api
        self._budget = budget
        self._clock = clock
        self.order_life_ms = api.token_life_ms
        """From the start of a send to the end of its token, at most."""

    async def send(
        self, body: str, begin: BeginSend, *, not_after: int | None = None, latest_at: int | None = None
    ) -> OrderAck:
        """Send the text of an order, unless it is `not_after` (epoch ms) already; return the order that has its client id.

        Its token ends by `latest_at` (epoch ms, the venue's time), but see `SHORTEST_LIFE_MS`.

        Raises Rejected, Unavailable (not processed), OutcomeUnknown, and what `begin` raises.
        """
        if not self._clock.measured:
            raise Unavailable("the venue's time has not been measured yet")
        if not_after is not None and self._clock() >= not_after:
            raise Rejected(_TOO_LATE, Refusal.DEADLINE)
        end = deadline_of(self._clock(), life_ms=self.order_life_ms, shortest_ms=SHORTEST_LIFE_MS, latest_at=latest_at)
        deadline = end // 1000 * 1000  # a token ends at a full second
        self._budget.count()
        await begin(Outgoing(deadline, body))
        reply = await self._send_in_time(body, deadline)
        failure = failure_of(reply, order=True)
        if isinstance(failure, Unavailable) and failure.retry_after > 0:
            failure.retry_after = max(failure.retry_after, self._budget.exceeded())
        if isinstance(failure, OutcomeUnknown):
            self._api.doubt()  # a gateway that answered for Coinbase may deliver Coinbase's own answer later
        if failure is not None:
            raise failure
        return self._accepted(reply.body or {}, json.loads(body))

    async def _send_in_time(self, body: str, deadline: int) -> Reply:
        for pause in (*TOKEN_PAUSES, None):
            if self._clock() >= deadline:
                raise Rejected(_TOO_LATE, Refusal.DEADLINE)
            reply = await self._api.order(body, expires_at=deadline)
            self._budget.heed(reply.remaining)
            if reply.status != UNAUTHORIZED:
                return reply
            if self._clock() >= deadline:  # refused for its end, not for its key
                raise Rejected("the order arrived after its token had ended", Refusal.DEADLINE)
            if pause is not None:
                await asyncio.sleep(pause)
                self._budget.count()
        return reply

    def _accepted(self, answer: dict[str, Any], asked: dict[str, Any]) -> OrderAck:
        """Return the order that an answer names, if it is one of what was asked: an id may be that of another order."""
        if (refused := refusal_of(answer)) is not None:
            raise refused
        named = answer.get("success_response")
        if answer.get("success") is not True or not isinstance(named, dict):
            self._api.doubt()
            raise OutcomeUnknown("Coinbase's answer says neither that it took the order nor that it refused it")
        if not is_id(named.get("order_id")):
            raise OutcomeUnknown("Coinbase accepted the order without returning its id")
        for field in ("client_order_id", "product_id", "side"):
            if named.get(field) != asked[field]:
                self._api.doubt()
                raise OutcomeUnknown(f"Coinbase answered with an order of another {field}")
        return OrderAck(str(named["order_id"]))
