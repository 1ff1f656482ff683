"""What arrived at a venue that answers a known client order id with its order: was a replay the same request, byte for byte?

Such a venue never makes two orders of one id, so a doubled order has two ids: `conservation` finds that. What it cannot see is a
request that was changed under its id: the venue answers with the older order, whatever the new one asked for. The journal has a
digest of the body of every request for an order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_PLACES: Final = "CreateOrder"
_DEFINITE: Final = frozenset({"http_429", "http_429_html", "rate_limited", "too_many_requests", "unauthorized_burst"})
"""Faults whose answer says that the request was not processed."""
_LONGEST_LIFE: Final = 7_000
"""Ms for which a token lives that the venue has not read: the time-out and two seconds."""


@dataclass(frozen=True, slots=True)
class SendFigures:
    """`replays`: requests under an id that had been sent before without a definite answer."""

    replays: int
    altered: list[str]
    """Those of another body, while the earlier request could still arrive."""


def judge_sends(requests: Sequence[Mapping[str, Any]]) -> SendFigures:
    """Judge the requests for orders in the order of their arrival."""
    sent: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    replays, altered = 0, []
    for row in requests:
        if row["method"] != _PLACES or "client_order_id" not in row:
            continue
        before = sent[str(row["api_key"]), str(row["client_order_id"])]
        open_ones = [each for each in before if not _refused(each)]
        replays += bool(open_ones)
        altered += [
            f"{row['user']}: {row['client_order_id']} was sent again with another body"
            for each in open_ones[-1:]
            if each["body"] != row["body"] and (each["verdict"] == "ok" or int(row["at"]) <= _end(each))
        ]
        before.append(row)
    return SendFigures(replays, altered)


def _refused(row: Mapping[str, Any]) -> bool:
    """Return whether the sender may know that a request was not processed."""
    if row.get("fault"):
        return row["fault"] in _DEFINITE
    return row["verdict"] not in {"ok", "unanswered"}


def _end(row: Mapping[str, Any]) -> int:
    """Return the instant (ms) after which a request can no longer be taken."""
    expires = row.get("token_expires")
    return int(expires) * 1000 if expires else int(row["at"]) + _LONGEST_LIFE
