"""Previews an order: Coinbase says what it would cost and why it would be refused, and creates nothing.

It must never be sent anywhere but to the preview's own path. Sources: docs.cdp.coinbase.com *Preview Order*; COINBASE.md, C20.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.venues.coinbase import parse
from shared.venues.coinbase.errors import family
from shared.venues.coinbase.questions import Questions
from shared.venues.coinbase.transport import request_text
from shared.venues.errors import OutcomeUnknown, Rejected, presentable

_PATH: Final = "/orders/preview"
_OWN: Final = frozenset({"errs", "preview_id", "order_total"})
"""An answer that has none of these is not one to a preview."""


async def preview(questions: Questions, order: Mapping[str, Any]) -> None:
    """Have an order previewed: its content, without a client order id.

    Raises Rejected in the words in which Coinbase would refuse it, Unavailable, OutcomeUnknown if the answer names an order.
    """
    answer = await questions.ask(_PATH, body=request_text(order))
    if answer.get("order_id") or answer.get("success_response"):
        raise OutcomeUnknown("Coinbase answered a preview with an order")
    with parse.readable("orders/preview"):
        if not answer.keys() & _OWN:
            raise KeyError("errs")
        words = presentable(", ".join(map(str, answer.get("errs") or [])))
    if words:
        raise Rejected(words, family(words))
