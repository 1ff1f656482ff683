"""Kraken's error strings, each in one place, and the string of each of the core's denials.

Where the real venue is known to use two spellings the one seen live is used, and the fault `other_spellings` gives the other.
"""

from __future__ import annotations

from typing import Final

from services.paper_exchange.core.denial import Denial

INVALID_KEY: Final = "EAPI:Invalid key"
INVALID_SIGNATURE: Final = "EAPI:Invalid signature"
INVALID_NONCE: Final = "EAPI:Invalid nonce"
RATE_LIMIT: Final = "EAPI:Rate limit exceeded"
ORDER_RATE_LIMIT: Final = "EOrder:Rate limit exceeded"
LOCKOUT: Final = "EGeneral:Temporary lockout"
PERMISSION_DENIED: Final = "EGeneral:Permission denied"
UNKNOWN_METHOD: Final = "EGeneral:Unknown method"
INVALID_ARGUMENTS: Final = "EGeneral:Invalid arguments"
INTERNAL_ERROR: Final = "EGeneral:Internal error"
UNAVAILABLE: Final = "EService:Unavailable"
BUSY: Final = "EService:Busy"
TOO_MANY_REQUESTS: Final = "EGeneral:Too many requests"
ACCOUNT_DISABLED: Final = "EAuth:Account temporary disabled"
CANCEL_ONLY: Final = "EService:Market in cancel_only mode"
POST_ONLY_MODE: Final = "EService:Market in post_only mode"
DEADLINE_ELAPSED: Final = "EService:Deadline elapsed"
UNKNOWN_PAIR: Final = "EQuery:Unknown asset pair"
UNKNOWN_ASSET: Final = "EQuery:Unknown asset"
UNKNOWN_ORDER: Final = "EOrder:Unknown order"
UNKNOWN_WITHDRAW_KEY: Final = "EFunding:Unknown withdraw key"
INVALID_ORDER: Final = "EOrder:Invalid order"
VOLUME_MINIMUM: Final = "EGeneral:Invalid arguments:volume minimum not met"
COST_MINIMUM: Final = "EOrder:Cost minimum not met"
INVALID_PRICE: Final = "EOrder:Invalid price"

OTHER_SPELLINGS: Final = {
    VOLUME_MINIMUM: "EOrder:Order minimum not met",
    UNKNOWN_ORDER: INVALID_ORDER,
    PERMISSION_DENIED: "EAPI:Permission denied",
}

DENIALS: Final = {
    Denial.INSUFFICIENT_FUNDS: "EOrder:Insufficient funds",
    Denial.WOULD_CROSS: "EOrder:Post only order",
    Denial.DUPLICATE_CLIENT_ID: "EOrder:Duplicate order",
    Denial.TOO_MANY_ORDERS: "EOrder:Orders limit exceeded",
    Denial.UNKNOWN_ORDER: UNKNOWN_ORDER,
    Denial.NOTHING_TO_AMEND: "EOrder:No amendable parameters provided",
    Denial.NOT_AMENDABLE: f"{INVALID_ARGUMENTS}:limit_price",
}


class KrakenRefusal(Exception):  # noqa: N818  # an answer of the venue, not a failure of ours
    """The venue rejects a request; the text is the error string on the wire."""


def bad_argument(field: str) -> KrakenRefusal:
    """Return the refusal of one field."""
    return KrakenRefusal(f"{INVALID_ARGUMENTS}:{field}")
