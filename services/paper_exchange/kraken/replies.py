"""What goes back on the wire, and how the faults spoil it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

JSON: Final = b"application/json"
HTML: Final = b"text/html; charset=UTF-8"
HTML_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>api.kraken.com | 520: Web server is returning an unknown error</title></head>"
    b"<body><h1>Error 520</h1><p>The origin web server returned an unexpected response.</p></body></html>"
)


@dataclass(slots=True)
class Reply:
    """An answer: what, with which status, after how long; or none at all and a cut connection."""

    body: bytes = b""
    status: int = 200
    content_type: bytes = JSON
    delay: float = 0.0
    dropped: bool = False
    hangs: bool = False
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    accepted: bool = False


def success(result: object) -> Reply:
    """Write a result."""
    return Reply(json.dumps({"error": [], "result": result}, separators=(",", ":")).encode(), accepted=True)


def failure(error: str) -> Reply:
    """Write an error: there is no `result` beside it, as at the real venue."""
    return Reply(json.dumps({"error": [error]}, separators=(",", ":")).encode())


def html_page(status: int = 200) -> Reply:
    """Give a page where JSON was due."""
    return Reply(HTML_PAGE, status, HTML)


def gateway_error(status: int) -> Reply:
    """Give the error of something in front of the venue."""
    reply = html_page(status)
    if status == 429:
        reply.headers = [(b"retry-after", b"1")]
    return reply


def spoil(reply: Reply, fault: str, seconds: float) -> Reply:
    """Spoil the answer to a request that was processed."""
    match fault:
        case "processed_then_reply_dropped":
            return Reply(dropped=True)
        case "502_after_accept":
            return gateway_error(502)
        case "html_error_page":
            return html_page()
        case "truncated_json":
            return Reply(reply.body[: len(reply.body) // 2])
        case "unavailable_after_accept":
            return failure("EService:Unavailable")
        case "internal_error_after_accept":
            return failure("EGeneral:Internal error")
        case "response_moves_order_id":
            return _moved(reply)
        case "slow_reply":
            reply.delay = seconds
    return reply


def _moved(reply: Reply) -> Reply:
    answer = json.loads(reply.body)
    result = answer.get("result")
    if isinstance(result, dict) and "txid" in result:
        result["order"] = {"ids": result.pop("txid")}
    return Reply(json.dumps(answer, separators=(",", ":")).encode())
