"""The total that an account owns of each coin, wherever the venue keeps it: in the spot wallet, staked, lent out or on hold.

For valuing and comparing only. Only the spot balance can be sold: never add a staked balance to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from shared.domain.values.money import ZERO
from shared.venues.port import Balance


def owned(balances: Mapping[str, Balance]) -> dict[str, Decimal]:
    """Return the totals by plain name of the coin."""
    found: dict[str, Decimal] = {}
    for asset, balance in balances.items():
        coin = balance.coin or asset
        found[coin] = found.get(coin, ZERO) + balance.total
    return found
