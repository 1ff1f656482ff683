"""The verdict of the journal on an answer with HTTP 200: `ok`, or the reason for which an order was refused."""

from __future__ import annotations

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.core.journal import OK

_REASONS = ("new_order_failure_reason", "preview_failure_reason", "error", "edit_failure_reason")


def verdict_of(shape: Shape) -> str:
    """Return `ok`, or the first reason that is not an `UNKNOWN_...`."""
    if shape.get("success") is not False:
        return OK
    errors = shape.get("errors")
    response = shape.get("error_response") or (errors[0] if isinstance(errors, list) and errors else {})
    words = [response.get(name) for name in _REASONS] if isinstance(response, dict) else []
    named = [word for word in words if isinstance(word, str) and word]
    return next((word for word in named if not word.startswith("UNKNOWN_")), named[0] if named else "refused")
