"""The answers on the wire, and how faults corrupt them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from services.paper_exchange.core.fault_table import DELAYED_REPLIES
from services.paper_exchange.core.faults import ArmedFault
from services.paper_exchange.wire import Reply

HTML: Final = b"text/html; charset=UTF-8"
HTML_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>api.kraken.com | 520: Web server is returning an unknown error</title></head>"
    b"<body><h1>Error 520</h1><p>The origin web server returned an unexpected response.</p></body></html>"
)


def success(result: object) -> Reply:
    """Return the answer with a result."""
    return Reply(json.dumps({"error": [], "result": result}, separators=(",", ":")).encode(), accepted=True)


def failure(error: str, *, with_result: bool = False) -> Reply:
    """Return the answer with an error. The real venue sends no `result` with it, though its documentation shows one."""
    answer: dict[str, object] = {"error": [error]}
    if with_result:
        answer["result"] = {}
    return Reply(json.dumps(answer, separators=(",", ":")).encode())


def html_page(status: int = 200) -> Reply:
    """Return an HTML page instead of JSON."""
    return Reply(HTML_PAGE, status, HTML)


def gateway_error(status: int) -> Reply:
    """Return the error of a gateway in front of the venue."""
    reply = html_page(status)
    if status == 429:
        reply.headers = [(b"retry-after", b"1")]
    return reply


def corrupt(reply: Reply, switch: ArmedFault) -> Reply:
    """Corrupt the answer to a request that was processed."""
    if switch.fault in DELAYED_REPLIES:
        reply.delay = switch.seconds
        return reply
    answer_fault = ANSWER_FAULTS.get(switch.fault)
    return reply if answer_fault is None else answer_fault(reply, switch)


def _move_order_id(reply: Reply) -> Reply:
    answer = json.loads(reply.body)
    result = answer.get("result")
    if isinstance(result, dict) and "txid" in result:
        result["order"] = {"ids": result.pop("txid")}
    return Reply(json.dumps(answer, separators=(",", ":")).encode())


def _add_warning(reply: Reply, switch: ArmedFault) -> Reply:
    return Reply(reply.body.replace(b'"error":[]', b'"error":[' + json.dumps(switch.error).encode() + b"]", 1))


ANSWER_FAULTS: Final[dict[str, Callable[[Reply, ArmedFault], Reply]]] = {
    "processed_then_reply_dropped": lambda _reply, _switch: Reply(dropped=True),
    "502_after_accept": lambda _reply, _switch: gateway_error(502),
    "html_error_page": lambda _reply, _switch: html_page(),
    "truncated_json": lambda reply, _switch: Reply(reply.body[: len(reply.body) // 2]),
    "unavailable_after_accept": lambda _reply, _switch: failure("EService:Unavailable"),
    "internal_error_after_accept": lambda _reply, _switch: failure("EGeneral:Internal error"),
    "fails_with_after_accept": lambda _reply, switch: failure(switch.error),
    "response_moves_order_id": lambda reply, _switch: _move_order_id(reply),
    "warning": _add_warning,
}
