"""Why orders are refused, in the two vocabularies of the venue: reasons of new orders, and reasons of previews (`PREVIEW_...`).

Some reasons are in one of them only (docs.cdp.coinbase.com, Create Order and Preview Order): the other field then says UNKNOWN,
or names what comes nearest. Clients with closed lists of names fail at a name that is not in the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

UNKNOWN_ORDER: Final = "UNKNOWN_FAILURE_REASON"
UNKNOWN_PREVIEW: Final = "UNKNOWN_PREVIEW_FAILURE_REASON"
PREVIEWS_ONLY: Final = frozenset(
    {
        "INVALID_BASE_SIZE_TOO_LARGE",
        "INVALID_BASE_SIZE_TOO_SMALL",
        "INVALID_BRACKET_LIMIT_PRICE_PRECISION",
        "INVALID_QUOTE_SIZE_PRECISION",
        "INVALID_QUOTE_SIZE_TOO_LARGE",
        "INVALID_QUOTE_SIZE_TOO_SMALL",
        "INVALID_STOP_PRICE_PRECISION",
        "INVALID_STOP_TRIGGER_PRICE_PRECISION",
        "NOT_ALLOWED_BY_MARKET_STATE",
        "STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
        "STOP_PRICE_BELOW_LAST_TRADE_PRICE",
    }
)
"""Reasons that only a preview has, here without their prefix."""
NEAREST_PREVIEW: Final = {
    "UNSUPPORTED_ORDER_CONFIGURATION": "PREVIEW_INVALID_ORDER_CONFIG",
    "ORDER_ENTRY_DISABLED": "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE",
    "COMMANDER_REJECTED_NEW_ORDER": UNKNOWN_PREVIEW,
    "DUPLICATE_CLIENT_ORDER_ID": UNKNOWN_PREVIEW,
    UNKNOWN_ORDER: UNKNOWN_PREVIEW,
}
"""What a preview says instead of a reason that only a new order has."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an order is refused: the reason's name without `PREVIEW_`, and a message."""

    reason: str
    message: str = ""

    @property
    def order_reason(self) -> str:
        """Return the reason as a new order has it."""
        return UNKNOWN_ORDER if self.reason in PREVIEWS_ONLY else self.reason

    @property
    def preview_reason(self) -> str:
        """Return the reason as a preview has it."""
        return NEAREST_PREVIEW.get(self.reason, f"PREVIEW_{self.reason}")

    @property
    def shown_in_preview(self) -> str:
        """Return what a preview lists: the reason, or the message of one without a name."""
        return self.message if self.preview_reason == UNKNOWN_PREVIEW and self.message else self.preview_reason
