"""One API key's lane to Kraken: one private call in flight, its nonce allocated and sent inside the same lock.

Kraken accepts a nonce only if it is above the last one that *arrived*, so of two requests of one key that overtake each other one
is refused; the lock is held until the reply is in, and a request that timed out is void at the venue as soon as the next one
arrives.

It must never send an order twice, except in the one case in which the venue itself answered that it rejected the first without
processing it: `EAPI:Invalid nonce`. Sources: docs.kraken.com `guides/rest/authentication`; KRAKEN.md, K2 to K4, K9.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from shared.venues.deadline import deadline_of
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, VenueError, as_read
from shared.venues.kraken.errors import failure_of
from shared.venues.kraken.parse import accepted_id
from shared.venues.kraken.rate_budget import RateBudget
from shared.venues.kraken.shapes import may_answer
from shared.venues.kraken.transport import KrakenApi, Reply
from shared.venues.patience import with_patience
from shared.venues.port import BeginSend, NonceSource, Outgoing
from shared.venues.venue_clock import VenueTime

NONCE_ADVANCE: Final = 1_000_000  # nonces are microseconds: one second above the other program's
VALIDATE: Final[Mapping[str, str]] = {"validate": "true"}
"""docs.kraken.com, Add Order: inputs are checked and no order is made (KRAKEN.md, K29)."""
KEY_IN_USE: Final = "this key is used by another program; create a dedicated key"
_DEADLINE_MIN: Final = 2_000  # ms; Kraken refuses a nearer deadline (KRAKEN.md, K9)
_ARRIVAL: Final = 500  # ms for the way to Kraken and the error of its measured clock: it judges the deadline on arrival
_LAST_SEND: Final = _DEADLINE_MIN + _ARRIVAL
_SHORTEST_SEND: Final = 3_000  # ms from the start of a send to its deadline: the minimum, and time for the write-ahead

_NAMED: Final = 64
"""How many order ids are remembered: more than can be placed while a repeated answer is on its way."""

_log = structlog.get_logger(__name__)


class Lane:
    """Sends all private calls of one key. Raises the three errors of the port, and what the nonce source or `begin` raises."""

    def __init__(
        self, api: KrakenApi, nonces: NonceSource, budget: RateBudget, *, timeout: float, clock: VenueTime
    ) -> None:
        self._api = api
        self._nonces = nonces
        self._budget = budget
        self._timeout = timeout
        self._clock = clock
        self._lock = asyncio.Lock()
        self._named: deque[str] = deque(maxlen=_NAMED)
        self.order_life_ms = max(int(timeout * 1000), _SHORTEST_SEND)
        """From the start of a send to the deadline of its order."""
        self.shortest_life_ms = min(_SHORTEST_SEND, self.order_life_ms)
        """The same, at least."""

    @property
    def last_nonce(self) -> int:
        """Return the nonce that was sent last."""
        return self._api.last_nonce

    async def look_up(self, method: str, params: Mapping[str, str] | None = None, *, patient: bool = False) -> Any:
        """Send a lookup and return its result. Repeats it, with a new nonce each time, while Kraken is unavailable.

        A `patient` one lets other lookups go first for a while if the rate budget is low.
        """

        async def once() -> Any:
            await self._budget.admit_lookup(method, patient=patient)
            async with self._lock:
                return await self._look_up_once(method, params or {})

        return await with_patience(once, self._timeout)

    async def check_order(self, params: Mapping[str, str]) -> Any:
        """Have Kraken check an order, which it does not take: AddOrder with `validate`. Repeated as every lookup.

        Raises OutcomeUnknown if the answer names an order.
        """
        return await self.look_up("AddOrder", {**params, **VALIDATE})

    async def add_order(
        self,
        params: Callable[[int], Mapping[str, str]],
        begin: BeginSend,
        *,
        not_after: int,
        latest_at: int | None = None,
    ) -> Any:
        """Send AddOrder once and return its result.

        The order's deadline is one time-out from the moment at which the lane was acquired, or `latest_at` if that is earlier
        (but see `shortest_life_ms`), and is the one that `begin` records: it is never extended, so that "absent after the
        deadline" is a proof. It is in the venue's time: before that was measured
        no order leaves. An order whose send has not begun by `not_after`, or that cannot leave in time after `begin`, is refused
        here.
        """
        async with self._lock:
            if not self._clock.measured:
                raise Unavailable("the venue's time has not been measured yet")
            self._in_time(not_after)
            deadline = deadline_of(
                self._clock(), life_ms=self.order_life_ms, shortest_ms=self.shortest_life_ms, latest_at=latest_at
            )
            form = params(deadline)
            nonce = await begin(Outgoing(deadline))
            try:
                self._in_time(deadline - _LAST_SEND)
                return await self._add_order_once(form, nonce)
            except Rejected as refused:
                if refused.refusal is not Refusal.NONCE:
                    raise
            _log.warning("nonce refused, advancing once", method="AddOrder")
            nonce = await self._nonces.next(advance=NONCE_ADVANCE)
            self._in_time(deadline - _LAST_SEND)
            return await self._add_order_once(form, nonce, last=True)

    def _in_time(self, until: int) -> None:
        if self._clock() >= until:
            raise Rejected("the order's deadline passed before it could be sent", Refusal.DEADLINE)

    async def _look_up_once(self, method: str, params: Mapping[str, str]) -> Any:
        if method == "AddOrder" and params.get("validate") != VALIDATE["validate"]:
            raise TypeError("an order is not a lookup: it would be repeated")
        for advance in (0, NONCE_ADVANCE):
            nonce = await self._nonces.next(advance=advance)
            failure: VenueError | None
            try:
                reply = await self._api.private(method, params, nonce)
            except VenueError as error:
                raise as_read(error) from None
            if method == "AddOrder" and (named := accepted_id(reply.result)) is not None:
                self._api.doubt()
                raise OutcomeUnknown(
                    f"Kraken answered a check with the order {named}"
                )  # not repeated: it might be taken again
            failure = self._failure(method, reply, order=False)
            if failure is None and not may_answer(method, params, reply.result):
                self._api.doubt()
                raise Unavailable(f"the answer does not match {method}")
            if failure is None:
                return reply.result
            if not _is_nonce(failure):
                raise self._counted(as_read(failure))
            _log.warning("nonce refused", method=method, advanced=advance)
        raise Rejected(KEY_IN_USE, Refusal.NONCE)

    async def _add_order_once(self, params: Mapping[str, str], nonce: int, *, last: bool = False) -> Any:
        reply = await self._api.private("AddOrder", params, nonce)
        failure = self._failure("AddOrder", reply, order=True)
        if failure is None:
            return self._with_new_id(reply.result)
        if isinstance(failure, Unavailable):
            failure.retry_after = max(failure.retry_after, self._budget.orders_exceeded(params["pair"]))
        if last and _is_nonce(failure):
            failure = Rejected(KEY_IN_USE, Refusal.NONCE)
        if accepted_id(reply.result) is not None:
            failure = OutcomeUnknown(f"an order and a failure in one answer: {failure}")
        raise failure

    def _with_new_id(self, result: Any) -> Any:
        """Return the result of AddOrder if its order id is a new one; otherwise it is the answer to another request."""
        named = accepted_id(result)
        if named is None or named in self._named:
            self._api.doubt()
            raise OutcomeUnknown(
                "Kraken accepted the order without returning its id"
                if named is None
                else f"Kraken returned {named} before"
            )
        self._named.append(named)
        return result

    def _failure(self, method: str, reply: Reply, *, order: bool) -> VenueError | None:
        if not reply.texts:
            return None
        texts = [self._api.redact(text) for text in reply.texts]
        for warning in (text for text in texts if text.startswith("W")):
            _log.warning("the venue warns", method=method, words=warning)
        return failure_of(texts, order=order, now=self._clock() / 1000)

    def _counted(self, failure: VenueError) -> VenueError:
        if isinstance(failure, Unavailable) and failure.retry_after > 0:  # only a rate limit names a wait
            failure.retry_after = max(failure.retry_after, self._budget.lookups_exceeded())
        return failure


def _is_nonce(failure: VenueError) -> bool:
    return isinstance(failure, Rejected) and failure.refusal is Refusal.NONCE
