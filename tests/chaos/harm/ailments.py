"""Which faults of the paper exchange a chaos run arms, how often each, and how long it lasts.

Every fault that a client must survive is here, but for the two that end an account for a quarter of an hour or for good
(`temporary_lockout`, `key_revoked_mid_run`) and those that park it by design (`permission_denied`, `account_disabled`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

REFUSED_NONCE: Final = "invalid_nonce_burst"


@dataclass(frozen=True, slots=True)
class Ailment:
    """One kind of fault: `weight` among its like, `most` strikes at once, and what else the switch is told."""

    fault: str
    weight: int
    most: int = 6
    seconds: float | None = None
    method: str = ""
    error: str = ""


_LOST_REPLIES: Final = (
    Ailment("processed_then_reply_dropped", 10),
    Ailment("502_after_accept", 10),
    Ailment("html_error_page", 8),
    Ailment("truncated_json", 8),
    Ailment("unavailable_after_accept", 8),
    Ailment("internal_error_after_accept", 8),
    Ailment("fails_with_after_accept", 4, error="EService:Timeout"),
    Ailment("response_moves_order_id", 4),
    Ailment("slow_reply", 3, most=2, seconds=6.0, method="AddOrder"),
    Ailment("slow_reply", 3, most=3, seconds=1.5),
    Ailment("delay_beyond_timeout_then_processed", 3, most=2, seconds=5.5),
    Ailment("delay_beyond_timeout_then_processed", 3, most=2, seconds=3.0),
)
_NEVER_HAPPENED: Final = (
    Ailment("drop_before_process", 4, most=3, method="AddOrder"),
    Ailment("drop_before_process", 4),
    Ailment("http_502", 4),
    Ailment("http_503", 4),
    Ailment("http_520", 3),
    Ailment("http_429", 3, most=3),
    Ailment("html_error_page_before_accept", 3),
    Ailment("unavailable_before_accept", 5),
    Ailment("busy", 4),
    Ailment("rate_limited", 4, most=3),
    Ailment("order_rate_limited", 3, most=3, method="AddOrder"),
    Ailment("throttled", 3, most=2),
    Ailment("too_many_requests", 2, most=3),
    Ailment(REFUSED_NONCE, 5, most=1),
)
_ODD_ANSWERS: Final = (
    Ailment("duplicate_delivery", 6),
    Ailment("order_invisible_for_3s", 6, most=4),
    Ailment("partial_fill", 4, most=4),
    Ailment("partial_fill_then_cancel", 6),
    Ailment("balance_lags_fill", 6),
    Ailment("stale_open_orders", 3, most=3),
    Ailment("order_status_unknown", 5),
    Ailment("other_spellings", 2),
    Ailment("error_with_result", 2),
    Ailment("warning", 3, error="WGeneral:Danger"),
)
_CONDITIONS: Final = (
    Ailment("pair_halted", 2, most=20, seconds=3.0),
    Ailment("cancel_only_mode", 1, most=20, seconds=2.0),
    Ailment("maintenance_mode", 1, most=20, seconds=2.0),
    Ailment("ordermin_raised_mid_run", 1, most=20, seconds=3.0),
    Ailment("precision_change", 1, most=20, seconds=3.0),
)
AILMENTS: Final = (*_LOST_REPLIES, *_NEVER_HAPPENED, *_ODD_ANSWERS, *_CONDITIONS)
"""No condition is bound to a user: each would hold for all of his pairs alike."""


def some_ailment(dice: random.Random, users: list[str], symbols: list[str]) -> dict[str, Any]:
    """Draw the body of one `POST /paper/faults`."""
    ailment = dice.choices(AILMENTS, [each.weight for each in AILMENTS])[0]
    lasting = ailment in _CONDITIONS
    body: dict[str, Any] = {"fault": ailment.fault, "seed": dice.randrange(2**31)}
    body["count"] = ailment.most if lasting else dice.randint(1, ailment.most)
    body["probability"] = 1.0 if lasting else dice.choice((0.2, 0.5, 1.0))
    if ailment.seconds is not None:
        body["seconds"] = ailment.seconds
    if ailment.method:
        body["method"] = ailment.method
    if ailment.error:
        body["error"] = ailment.error
    if ailment.fault in {"pair_halted", "ordermin_raised_mid_run", "precision_change"}:
        body["symbol"] = dice.choice(symbols)
    elif not lasting and dice.random() < 0.4:
        body["user"] = dice.choice(users)
    return body
