"""Which currencies are counted alike. The dollar and its coin are one unit of account, and still two kinds of cash.

So an equity in USDC can be compared with a master's in USD, but what is paid for in USDC takes USDC to pay.
"""

from __future__ import annotations

from typing import Final

from shared.domain.values.money import Money

_DOLLARS: Final = frozenset({"USD", "USDC"})


def alike(one: str, other: str) -> bool:
    """Say whether amounts of two currencies may be compared one to one."""
    return one == other or (one in _DOLLARS and other in _DOLLARS)


def like(currency: str) -> frozenset[str]:
    """Give the other currencies that are counted like this one."""
    return _DOLLARS - {currency} if currency in _DOLLARS else frozenset()


def counted_in(amount: Money, currency: str) -> Money | None:
    """Count an amount in another currency; None if no rate is known, and then it counts nothing."""
    if amount.currency == currency:
        return amount
    return Money(amount.amount, currency) if alike(amount.currency, currency) else None
