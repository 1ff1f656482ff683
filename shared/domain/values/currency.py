"""Which currencies count as equal. USD and USDC are one unit of account, but two kinds of cash.

So an equity in USDC can be compared with a master's in USD, but a pair that is paid in USDC needs USDC.
"""

from __future__ import annotations

from typing import Final

from shared.domain.values.money import Money

_DOLLARS: Final = frozenset({"USD", "USDC"})


def alike(one: str, other: str) -> bool:
    """Return whether amounts of two currencies may be compared one to one."""
    return one == other or (one in _DOLLARS and other in _DOLLARS)


def like(currency: str) -> frozenset[str]:
    """Return the other currencies that count as equal to this one."""
    return _DOLLARS - {currency} if currency in _DOLLARS else frozenset()


def counted_in(amount: Money, currency: str) -> Money | None:
    """Return an amount in another currency; None if no rate is known."""
    if amount.currency == currency:
        return amount
    return Money(amount.amount, currency) if alike(amount.currency, currency) else None
