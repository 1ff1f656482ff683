"""Maps Coinbase's answers, by status and by families of reasons, to the three errors of the port.

Two shapes of refusal: an order that is refused is HTTP 200 with `success: false` and a reason in one of three fields; everything
else is an HTTP status with one of two JSON shapes, or with a plain text or a page of a gateway. The status is read first.

    Rejected        4xx with Coinbase's own words, and `success: false`
    Unavailable     429: refused before it was processed
    OutcomeUnknown  5xx, redirects, and every answer to an order that cannot be read

It must never report a refusal that is not one: an order that counts as refused but has filled is an unknown position.
Sources: COINBASE.md, C7 to C10.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shared.venues.coinbase.transport import Reply
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, VenueError, presentable

UNAUTHORIZED: Final = 401
_OK: Final = frozenset({200, 201})
_IN_DOUBT: Final = frozenset({408, 409, 425, 499})
"""Statuses below 500 that say nothing certain of an order: timed out, in conflict with another request, given up by a gateway."""

# The first family that matches decides. Matched against a reason's name and its message, in upper case.
_REFUSALS: Final[Sequence[tuple[re.Pattern[str], Refusal]]] = tuple(
    (re.compile(pattern), refusal)
    for pattern, refusal in (
        (r"DUPLICATE_CLIENT_ORDER_ID", Refusal.DUPLICATE),
        (r"INSUFFICIENT_(FUND|LEDGER)|INVALID_LEDGER_BALANCE|INSUFFICIENT BALANCE", Refusal.FUNDS),
        (r"SIZE_TOO_SMALL", Refusal.MINIMUM),
        (r"_PRECISION", Refusal.PRECISION),
        (r"TRADING_DISABLED|TRADING_HALTED|ORDER_ENTRY_DISABLED|UNTRADABLE_PRODUCT", Refusal.HALTED),
        (r"NOT_ALLOWED_BY_MARKET_STATE|INVALID_NO_LIQUIDITY|MISSING_(PRODUCT_PRICE_BOOK|MARKET_TRADE)", Refusal.HALTED),
        (r"(POST|LIMIT|CANCEL)[ _]?ONLY", Refusal.HALTED),
        (r"ACCOUNT IS NOT AVAILABLE|NOT ENABLED FOR TRADING", Refusal.AUTH),
    )
)
_REASONS: Final = ("new_order_failure_reason", "preview_failure_reason", "error")
"""The fields that can have the reason, in the order in which they are believed (C9)."""
_UNKNOWN: Final = "UNKNOWN_"


def failure_of(reply: Reply, *, order: bool) -> VenueError | None:
    """Return the failure of an answer by its status; None if it succeeded. A refused order is in `refusal_of`."""
    status, words = reply.status, words_of(reply)
    if status in _OK and reply.body is not None:
        return None
    if status == 429:
        return Unavailable(words, reply.retry_after)
    if status == UNAUTHORIZED:
        return Rejected(words, Refusal.AUTH)  # a plain text: it never has JSON (C7)
    if reply.body is None or not 400 <= status < 500 or status in _IN_DOUBT:
        return OutcomeUnknown(words)
    if status == 403:
        return Rejected(words, Refusal.AUTH)
    if status == 404 and not order:
        return Rejected(words, Refusal.GONE)
    return Rejected(words, family(words))


def refusal_of(body: Mapping[str, Any]) -> Rejected | None:
    """Return why an order was refused; None if the answer is not a refusal, or names an order as well."""
    taken = body.get("success_response")
    if body.get("success") is not False or body.get("order_id") or (isinstance(taken, dict) and taken.get("order_id")):
        return None
    response = body.get("error_response")
    if not isinstance(response, dict):
        response = {"error": body.get("failure_reason")}  # an older shape
    reasons = [reason for name in _REASONS if (reason := _text(response.get(name)))]
    reason = next((each for each in reasons if not each.startswith(_UNKNOWN)), reasons[0] if reasons else "")
    details = [_text(response.get(name)) for name in ("message", "error_details")]
    words = presentable(": ".join(dict.fromkeys(filter(None, (reason, *details)))) or "refused without a reason")
    return Rejected(words, family(words))


def family(words: str) -> Refusal:
    """Return the family of a refusal."""
    upper = words.upper()
    return next((refusal for pattern, refusal in _REFUSALS if pattern.search(upper)), Refusal.OTHER)


def words_of(reply: Reply) -> str:
    """Return an answer's own words, for people: `HTTP 400: INVALID_ARGUMENT: ...`."""
    said = list(_said(reply.body or {}))
    if not said and reply.body is None:
        said = [
            f"{reply.size} bytes that are not an answer of Coinbase" if reply.status != UNAUTHORIZED else "Unauthorized"
        ]
    return presentable(": ".join([f"HTTP {reply.status}", *dict.fromkeys(said)]))


def _said(body: Mapping[str, Any]) -> Iterator[str]:
    rows = body.get("errors")
    for row in (body, *(rows if isinstance(rows, list) else ())):
        if isinstance(row, dict):
            yield from filter(None, (_text(row.get(name)) for name in ("error", "id", "error_details", "message")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
