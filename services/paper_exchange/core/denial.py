"""Why the exchange rejects an order: values, which each front translates into its venue's error texts."""

from __future__ import annotations

from enum import StrEnum


class Denial(StrEnum):
    """A rejection of an order whose arguments are valid."""

    INSUFFICIENT_FUNDS = "insufficient funds"
    WOULD_CROSS = "a post-only order would trade at once"
    DUPLICATE_CLIENT_ID = "an open order has this client id"
    TOO_MANY_ORDERS = "too many open orders on the pair"
    UNKNOWN_ORDER = "no open order has this id"
    NOTHING_TO_AMEND = "the amendment changes nothing"
    NOT_AMENDABLE = "the order has no such price"
