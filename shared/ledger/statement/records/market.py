"""The price of the market at the moment in which the venue took a copy: what parts its delay from its slippage. Pure.

It is the price that was published then, recorded in the step that recorded the acceptance. An old one says nothing about how far
the market had moved, and counts as unknown.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from shared.ledger.statement.records.material import Ending

_MOST_AGE_MS: Final = 2_000
"""What is held is published every second (`protection/price_feed.py`); pairs that are not held only every 15 s."""


def market_price(ending: Ending | None) -> Decimal | None:
    """Return the market's price when the venue had taken a copy; None if none was recorded that was recent."""
    trade = None if ending is None else ending.trade
    if trade is None or trade.market is None or trade.market_at is None or trade.accepted_at is None:
        return None
    return trade.market.amount if trade.market_at >= trade.accepted_at - _MOST_AGE_MS else None
