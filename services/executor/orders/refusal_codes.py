"""The reason code of an order that the venue has refused, by the family of its refusal."""

from __future__ import annotations

from typing import Final

from shared.domain.reason import ReasonCode
from shared.venues.errors import KEY_REFUSALS, Refusal

_CODES: Final = {
    Refusal.FUNDS: ReasonCode.VENUE_FUNDS,
    Refusal.MINIMUM: ReasonCode.VENUE_MINIMUM,
    Refusal.PRECISION: ReasonCode.VENUE_PRECISION,
    Refusal.HALTED: ReasonCode.VENUE_HALTED,
    **dict.fromkeys(KEY_REFUSALS, ReasonCode.VENUE_KEY),
}


def code_of(refusal: Refusal) -> ReasonCode:
    """Return the code of a refusal."""
    return _CODES.get(refusal, ReasonCode.VENUE_OTHER)
