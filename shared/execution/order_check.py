"""Has the venue check a leg as it would be sent, without placing it: what stage `shadow` does instead of a send.

The same must hold as for a send (guard, kill switches, lease), but nothing is written ahead: there is no order whose end would
have to be found out, and a check may be repeated. It must never place anything: it calls `Venue.validate` and no other method.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from shared.execution.attempt import Attempt
from shared.execution.conditions import Conditions
from shared.execution.leg import Leg
from shared.execution.outcome import Denied, NotSent
from shared.execution.send import request_of
from shared.execution.sender import Sender
from shared.execution.timing import LEASE_NEEDED
from shared.venues.errors import KEY_REFUSALS, OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import OrderRequest

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Checked:
    """The venue's verdict: `words` of a refusal, empty if it would take the order. `took_ms`: how long it took to answer."""

    words: str
    took_ms: int


@dataclass(frozen=True, slots=True)
class CheckInDoubt:
    """The venue answered as if it had an order of this id: it must be looked for."""

    words: str


async def check_once(sender: Sender, leg: Leg, conditions: Conditions) -> Checked | CheckInDoubt | Denied | NotSent:
    """Have a leg checked. Raises LeaseLost, BusUnavailable, and what the guard raises."""
    if (stop := await _forbidden(conditions)) is not None:
        return stop
    sender.lease.require(LEASE_NEEDED)
    request = request_of(sender, leg, conditions)
    began = sender.clock.steady()
    sender.hooks.written_ahead(leg.order.id)  # of nothing: other orders need not wait for this one
    words = ""
    try:
        await sender.venue.validate(request)
    except Unavailable as error:
        return NotSent(error.words, error.retry_after)
    except Rejected as error:
        if error.refusal is Refusal.DEADLINE:
            return NotSent(error.words, 0.0)
        if error.refusal is Refusal.DUPLICATE:
            return _in_doubt(sender, request, error.words)
        if error.refusal in KEY_REFUSALS:
            await sender.account.park(error.words, error.refusal)
        words = error.words
    except OutcomeUnknown as error:
        return _in_doubt(sender, request, error.words)
    sender.hooks.replied()
    return Checked(words, round((sender.clock.steady() - began) * 1000))


async def _forbidden(conditions: Conditions) -> Denied | None:
    if (stop := await conditions.guard()) is not None:
        return stop
    return None if conditions.switches is None else await conditions.switches.judge()


def _in_doubt(sender: Sender, request: OrderRequest, words: str) -> CheckInDoubt:
    """Remember the check as a send that may have left: the venue's list proves the contrary only if it is late enough."""
    log.error("a check may have placed an order", user=sender.user, order_id=request.client_order_id, reason=words)
    attempt = Attempt.begin(sender.clock, sender.timing, request.deadline_at, str(sender.lease.token))
    attempt.may_have_left = True
    sender.attempts[request.client_order_id] = attempt
    return CheckInDoubt(words)
