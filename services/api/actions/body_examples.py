"""Examples of confirmed actions for the OpenAPI document, one for each kind of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contracts import keys
from shared.domain.values.venue import VenueName

EXAMPLE_TOKEN: Final = "WyI0ZjZiIiwxNzAwMDAwMDAwMDAwLCJhYiIsImNkIix7fV0"  # noqa: S105  # an example, not a secret
_ORDER: Final = "0b9f3c1e-8f2b-5a64-9d0e-2f6a4f0c1d11"


def _example(summary: str, reason: str, **values: Any) -> dict[str, Any]:
    return {"summary": summary, "value": {**values, "token": EXAMPLE_TOKEN, "reason": reason}}


BODY_EXAMPLES: Final[Mapping[str, Any]] = {
    "pause": _example("pause, resume, halt or flatten one user", "news", user="alice"),
    "pause-symbol": _example("the same for one symbol", "delisted soon", symbol="BTC/USD"),
    "lift": _example(
        "lift: end a stop-out, here on one account", "the loss was a deposit", user="alice", venue=VenueName.KRAKEN
    ),
    "resolve-none": _example(
        "resolve: the venue has no such order, or it filled nothing",
        "not in the venue's history",
        user="alice",
        order=_ORDER,
        outcome="none",
    ),
    "resolve-filled": _example(
        "resolve: the venue shows that it filled",
        "seen in the venue's history",
        user="alice",
        order=_ORDER,
        outcome="filled",
        size="0.2",
        price="60010",
        fee="31.2",
    ),
    "drop": _example(
        "retry or drop: a dead letter", "too late anyway", stream=keys.orders("alice"), entry="1700000000000-0"
    ),
    "settings": _example(
        "settings: values by key", "more careful", user="alice", settings={"limits.max_order_pct": "25"}
    ),
}
