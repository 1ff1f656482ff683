"""Checks whether an answer of Kraken can be the answer to its request.

HTTP/1.1 matches answers with requests only by their sequence. If a gateway repeats an answer, it is read as the answer to the
next request of the same key, and every later one is off by one. Kraken's answers do not name their method, but most have a shape
of their own; an answer of another shape ends the connection that it came on, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LISTS: Final[Mapping[str, str]] = {"OpenOrders": "open", "ClosedOrders": "closed", "TradesHistory": "trades"}
_OTHERS: Final = {*_LISTS.values(), "txid"}
"""Names that occur only in the answers to other methods: no asset is called so, and no fee."""


def may_answer(method: str, params: Mapping[str, str], result: Any) -> bool:
    """Return False if this result certainly does not belong to that lookup. Shapes: docs.kraken.com REST reference."""
    if not isinstance(result, Mapping):
        return result is None  # a missing result is judged by the parser
    if method in _LISTS:
        return _LISTS[method] in result
    if method == "CancelOrder":
        return "count" in result and not result.keys() & _OTHERS
    if method == "QueryOrders":
        return result.keys() <= set(params.get("txid", "").split(","))
    return not result.keys() & _OTHERS
