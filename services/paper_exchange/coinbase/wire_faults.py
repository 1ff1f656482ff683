"""What armed faults do on Coinbase's wire: before the request is read, instead of a check, after it was processed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.coinbase.errors import (
    CoinbaseRefusal,
    missing_scopes,
    rate_limited,
    refusal,
    unauthorized,
)
from services.paper_exchange.coinbase.replies import TEXT, failure, success
from services.paper_exchange.core.fault_table import DELAYED_REPLIES
from services.paper_exchange.core.faults import ArmedFault
from services.paper_exchange.wire import Reply

HTML: Final = b"text/html; charset=UTF-8"
STATUSES: Final = {"http_502": 502, "http_503": 503, "http_520": 520}
UNAVAILABLE: Final = CoinbaseRefusal(
    503, {"error": "unavailable", "code": 14, "message": "upstream connect error", "details": []}, "unavailable"
)
INTERNAL: Final = CoinbaseRefusal(
    500,
    {"errors": [{"id": "internal_server_error", "message": "Internal server error"}]},
    "internal_server_error",
)


def before(switch: ArmedFault) -> Reply:
    """Return what the client sees of a request that the venue never read."""
    fault = switch.fault
    if fault == "drop_before_process":
        return Reply(dropped=True)
    if fault == "hang":
        return Reply(delay=switch.seconds, hangs=True)
    if fault == "http_429":
        return failure(rate_limited())
    if fault == "http_503_go_sg":
        return Reply(f"go/sg/{uuid4()}".encode(), 503, TEXT)
    if fault == "http_429_html":
        return _page(429)
    return _page(STATUSES.get(fault, 200))


def refused(switch: ArmedFault, method: str, body: Shape | None) -> CoinbaseRefusal | Shape:
    """Return the refusal that replaces the venue's own check; for an order it may be an answer with `success: false`."""
    if switch.fault == "refused_with":
        return _with_reason(switch.error, method, body)
    return REFUSALS[switch.fault]()


def corrupt(reply: Reply, switch: ArmedFault, method: str, body: Shape | None) -> Reply:
    """Return what the client gets of the answer to a request that was processed."""
    fault = switch.fault
    if fault in DELAYED_REPLIES:
        reply.delay = switch.seconds
        return reply
    if fault == "truncated_json":
        return Reply(reply.body[: len(reply.body) // 2], reply.status, reply.content_type)
    if fault == "fails_with_after_accept":
        answer = _with_reason(switch.error, method, body)
        return failure(answer) if isinstance(answer, CoinbaseRefusal) else success(answer)
    made = ANSWERS.get(fault)
    return made(reply) if made is not None else reply


def refused_order(reason: str, body: Shape | None) -> Shape:
    """Return the answer to a refused order: the reason in the field that it belongs to."""
    preview = reason.startswith("PREVIEW_")
    return {
        "success": False,
        "error_response": {
            "error": "UNKNOWN_FAILURE_REASON" if preview else reason,
            "message": "",
            "error_details": "",
            "preview_failure_reason": reason if preview else "UNKNOWN_PREVIEW_FAILURE_REASON",
            "new_order_failure_reason": "UNKNOWN_FAILURE_REASON" if preview else reason,
        },
        "order_configuration": (body or {}).get("order_configuration") or {},
    }


def _with_reason(reason: str, method: str, body: Shape | None) -> CoinbaseRefusal | Shape:
    return refused_order(reason, body) if method == "CreateOrder" else refusal(400, reason, reason)


def _page(status: int) -> Reply:
    title = f"api.coinbase.com | {status}" if status != 200 else "Just a moment..."
    text = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Reply(text.encode(), status, HTML)


def _move_order_id(reply: Reply) -> Reply:
    """Move the order's id to the top level, where the venue had it until 2024."""
    answer = json.loads(reply.body)
    inner = answer.get("success_response")
    if isinstance(inner, dict) and "order_id" in inner:
        answer["order_id"] = inner.pop("order_id")
    return Reply(json.dumps(answer, separators=(",", ":")).encode())


REFUSALS: Final[dict[str, Callable[[], CoinbaseRefusal]]] = {
    "key_revoked_mid_run": unauthorized,
    "unauthorized_burst": unauthorized,
    "rate_limited": rate_limited,
    "too_many_requests": rate_limited,
    "permission_denied": missing_scopes,
    "unavailable_before_accept": lambda: UNAVAILABLE,
}
AT_THE_GATE: Final = frozenset({"key_revoked_mid_run", "unauthorized_burst"})
"""Refuse before the request is counted for the rate limit."""
ANSWERS: Final[dict[str, Callable[[Reply], Reply]]] = {
    "processed_then_reply_dropped": lambda _: Reply(dropped=True),
    "502_after_accept": lambda _: _page(502),
    "html_error_page": lambda _: _page(200),
    "unavailable_after_accept": lambda _: failure(UNAVAILABLE),
    "internal_error_after_accept": lambda _: failure(INTERNAL),
    "response_moves_order_id": _move_order_id,
}
