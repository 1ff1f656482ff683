"""How a leg can end. Values, not exceptions: the caller decides what follows.

Executed        the venue's record states what filled (possibly nothing)
NeverReceived   the venue was asked late enough and never had the order; the same leg may be sent again
LegRejected     the venue refused it, definitely
NotSent         nothing was processed; the same leg may be sent again
Denied          our own guard stopped it before anything was sent, or the order had ended before
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.order import OrderState
from shared.domain.values.money import plain
from shared.execution.acceptance import Acceptance
from shared.execution.record import OrderRecord
from shared.venues.errors import Refusal
from shared.venues.port import VenueOrder


@dataclass(frozen=True, slots=True)
class Executed:
    """The venue's record of the leg, with our own instants (epoch ms). `settled_by`: the operator whose verdict replaces it."""

    order: VenueOrder
    sent_at: int | None
    accepted_at: int | None
    record: OrderRecord
    """The order's record as it stood before this leg was booked."""
    settled_by: str = ""
    acceptance: Acceptance | None = None
    """The venue's acceptance if the end came before it was recorded: it is recorded with the end."""


@dataclass(frozen=True, slots=True)
class NeverReceived:
    """The venue never had it; `reason` is how that is known."""

    reason: str


@dataclass(frozen=True, slots=True)
class LegRejected:
    """The venue refused it, in these words."""

    words: str
    refusal: Refusal
    sent_at: int | None


@dataclass(frozen=True, slots=True)
class NotSent:
    """It was not processed; `retry_after` in seconds."""

    words: str
    retry_after: float


@dataclass(frozen=True, slots=True)
class Denied:
    """A guard of ours stopped it. `outcome` is the order's state after that, `code` the reason as a stable word."""

    outcome: OrderState
    reason: str
    code: str = ""


LegOutcome = Executed | NeverReceived | LegRejected | NotSent | Denied


def describe(order: VenueOrder) -> str:
    """Describe what an order filled, for a report."""
    if order.average_price is None:
        return f"nothing filled{f': {order.reason}' if order.reason else ''}"
    return (
        f"filled {order.filled} at {plain(order.average_price.shown())}{f' ({order.reason})' if order.reason else ''}"
    )
