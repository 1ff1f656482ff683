"""The answers on the wire: JSON of a result, and the body and status of a refusal."""

from __future__ import annotations

import json
from typing import Final

from services.paper_exchange.coinbase.errors import CoinbaseRefusal
from services.paper_exchange.wire import Reply

TEXT: Final = b"text/plain; charset=utf-8"


def success(shape: dict[str, object], *, accepted: bool = True) -> Reply:
    """Return the answer with a result. `accepted` is False for a refused order: faults after acceptance leave it alone."""
    return Reply(json.dumps(shape, separators=(",", ":")).encode(), accepted=accepted)


def failure(refusal: CoinbaseRefusal) -> Reply:
    """Return the answer of a refusal."""
    if isinstance(refusal.body, str):
        return Reply(refusal.body.encode(), refusal.status, TEXT, headers=refusal.headers)
    body = json.dumps(refusal.body, separators=(",", ":")).encode()
    return Reply(body, refusal.status, headers=refusal.headers)
