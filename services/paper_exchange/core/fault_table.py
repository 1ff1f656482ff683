"""The names of all faults, and where in the processing of a request each one acts.

BEFORE     before the venue has read the request: it is never processed
REFUSE     instead of the venue's own check of the same kind; nothing is processed
DELAY      authenticated on arrival, then kept waiting, then processed
AFTER      processed; the answer to the client is corrupted
EFFECT     changes what processing does or what queries show
CONDITION  a state of the venue, as long as the switch is on
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

ORDERS: Final = frozenset({"AddOrder"})
QUERIES: Final = frozenset({"OpenOrders", "ClosedOrders", "QueryOrders"})


class Stage(Enum):
    """Where a fault acts."""

    BEFORE = auto()
    REFUSE = auto()
    DELAY = auto()
    AFTER = auto()
    EFFECT = auto()
    CONDITION = auto()


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One row: the stage, the methods it concerns by default (none = all private ones), and its own duration.

    `seconds` is that duration (the delay, how long an order is invisible); 0 means that it has none, and `seconds` in a
    request then says how long the switch stays on.
    """

    stage: Stage
    methods: frozenset[str] = frozenset()
    seconds: float = 0.0


def _all(stage: Stage, *names: str) -> dict[str, FaultSpec]:
    return {name: FaultSpec(stage) for name in names}


FAULTS: Final[dict[str, FaultSpec]] = {
    **_all(Stage.BEFORE, "drop_before_process", "http_429", "http_502", "http_503", "http_520"),
    "hang": FaultSpec(Stage.BEFORE, seconds=3600.0),
    "html_error_page_before_accept": FaultSpec(Stage.BEFORE),
    **_all(
        Stage.REFUSE,
        "key_revoked_mid_run",
        "temporary_lockout",
        "invalid_nonce_burst",
        "rate_limited",
        "order_rate_limited",
        "throttled",
        "too_many_requests",
        "permission_denied",
        "account_disabled",
        "unavailable_before_accept",
        "busy",
        "refused_with",
    ),
    "delay_beyond_timeout_then_processed": FaultSpec(Stage.DELAY, ORDERS, seconds=12.0),
    "processed_then_reply_dropped": FaultSpec(Stage.AFTER, ORDERS),
    "502_after_accept": FaultSpec(Stage.AFTER, ORDERS),
    "html_error_page": FaultSpec(Stage.AFTER, ORDERS),
    "truncated_json": FaultSpec(Stage.AFTER, ORDERS),
    "unavailable_after_accept": FaultSpec(Stage.AFTER, ORDERS),
    "internal_error_after_accept": FaultSpec(Stage.AFTER, ORDERS),
    "fails_with_after_accept": FaultSpec(Stage.AFTER, ORDERS),
    "warning": FaultSpec(Stage.AFTER, ORDERS),
    "response_moves_order_id": FaultSpec(Stage.AFTER, ORDERS),
    "duplicate_delivery": FaultSpec(Stage.AFTER, ORDERS),
    "slow_reply": FaultSpec(Stage.AFTER, seconds=5.0),
    "order_invisible_for_3s": FaultSpec(Stage.EFFECT, ORDERS, seconds=3.0),
    "partial_fill": FaultSpec(Stage.EFFECT, ORDERS, seconds=2.0),
    "partial_fill_then_cancel": FaultSpec(Stage.EFFECT, ORDERS),
    "fill_during_cancel": FaultSpec(Stage.EFFECT, frozenset({"CancelOrder"})),
    "balance_lags_fill": FaultSpec(Stage.EFFECT, seconds=3.0),
    "stale_open_orders": FaultSpec(Stage.EFFECT, frozenset({"OpenOrders"}), seconds=5.0),
    "order_status_unknown": FaultSpec(Stage.EFFECT, QUERIES),
    "row_without_type": FaultSpec(Stage.EFFECT, frozenset({"ClosedOrders"})),
    "other_spellings": FaultSpec(Stage.EFFECT),
    "error_with_result": FaultSpec(Stage.EFFECT),
    **_all(
        Stage.CONDITION,
        "ordermin_raised_mid_run",
        "precision_change",
        "pair_halted",
        "pair_not_listed",
        "cancel_only_mode",
        "post_only_mode",
        "maintenance_mode",
    ),
}

# Faults that answer with the error string that they were armed with.
WITH_ERROR_TEXT: Final = frozenset({"refused_with", "fails_with_after_accept", "warning"})
