"""Whether an answer of Kraken's can be the answer to the question that it is taken for.

HTTP/1.1 pairs answers with requests by their order alone. If something on the way repeats an answer, it is read as the answer to
the next request of the same key, and every later one is off by one. Kraken's answers do not name their question, but most have a
shape of their own; one that is not of the shape that was asked for ends the connection it came on, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LISTS: Final[Mapping[str, str]] = {"OpenOrders": "open", "ClosedOrders": "closed", "TradesHistory": "trades"}
_OTHERS: Final = {*_LISTS.values(), "txid"}
"""Names that stand in the answers to other questions alone: no asset is called so, and no fee."""


def may_answer(method: str, params: Mapping[str, str], result: Any) -> bool:
    """Return False if this result is certainly not one to that lookup. Shapes: docs.kraken.com REST reference."""
    if not isinstance(result, Mapping):
        return result is None  # what is missing altogether is for the reader to judge
    if method in _LISTS:
        return _LISTS[method] in result
    if method == "QueryOrders":
        return result.keys() <= set(params.get("txid", "").split(","))
    return not result.keys() & _OTHERS
