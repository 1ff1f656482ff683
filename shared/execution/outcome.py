"""How a leg can end. Values, not exceptions: what follows is the caller's decision."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.order import OrderState
from shared.domain.values.money import plain
from shared.venues.errors import Refusal
from shared.venues.port import VenueOrder


@dataclass(frozen=True, slots=True)
class Executed:
    """The venue's record of the leg, with our own instants (epoch ms)."""

    order: VenueOrder
    sent_at: int | None
    accepted_at: int | None


@dataclass(frozen=True, slots=True)
class NeverReceived:
    """The venue never had it."""


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
    """A guard of ours stopped it; `outcome` is what the order becomes."""

    outcome: OrderState
    reason: str


LegOutcome = Executed | NeverReceived | LegRejected | NotSent | Denied


def describe(order: VenueOrder) -> str:
    """Say what the venue's record says."""
    if order.average_price is None:
        return f"nothing filled{f': {order.reason}' if order.reason else ''}"
    return (
        f"filled {order.filled} at {plain(order.average_price.shown())}{f' ({order.reason})' if order.reason else ''}"
    )
