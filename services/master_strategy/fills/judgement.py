"""Why an order of the master's account, or what it did to one coin, is not copied. Pure.

Only plain spot trades are copied. Everything else has a stable word as its reason, so that it can be logged once, counted and
shown; if it moved a balance it changes the position all the same.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final, NamedTuple

from services.master_strategy.fills.moves import Leg
from shared.domain.master_account import UncopiedReason
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.port import TradeKind, VenueOrder

_PLAUSIBLE: Final = (Decimal("0.5"), Decimal(2))
"""Bounds of an average price relative to the market's: far wider than market moves, far narrower than a mistaken unit."""
_NEAR_ONE: Final = Decimal("0.01")
"""A price this near to 1 makes the two units of a size the same, to a per cent."""
MOVES_THE_POSITION: Final = frozenset(
    {UncopiedReason.TOO_LATE, UncopiedReason.ANOTHER_QUOTE, UncopiedReason.ANOTHER_SYMBOL}
)
"""Reasons that change the position although nothing is copied: the next sale is a fraction of these coins too."""


class Reason(NamedTuple):
    """Why something is not copied: the stable word and a sentence."""

    word: UncopiedReason
    why: str


def of_order(order: VenueOrder, price: Price | None) -> Reason | None:
    """Judge what an order is; `price` is the market's of its own symbol, needed only for one that was sized in quote."""
    if order.trade is TradeKind.MARGIN:
        return Reason(UncopiedReason.MARGIN, "it was traded on margin")
    if order.trade is TradeKind.SETTLEMENT:
        return Reason(UncopiedReason.SETTLEMENT, "it settled a margin position")
    if order.trade is TradeKind.SIZED_IN_QUOTE and not _plausible(order, price):
        return Reason(UncopiedReason.SIZED_IN_QUOTE, f"its size makes no sense as an amount of {order.symbol.base}")
    return None


def of_leg(leg: Leg, age_ms: int, freshness_ms: int, currency: str, symbols: Collection[Symbol] = ()) -> Reason | None:
    """Judge what an order did to one coin. An exit is always copied, however late, whatever was paid with.

    `symbols` are the only ones whose entries are copied; all are if it is empty.
    """
    if not leg.gains:
        return None
    if not leg.exact:
        return Reason(UncopiedReason.ANOTHER_QUOTE, f"it is not quoted in {currency}")
    if symbols and leg.order.symbol not in symbols:
        return Reason(UncopiedReason.ANOTHER_SYMBOL, f"{leg.order.symbol} is not among the symbols of this master")
    if age_ms > freshness_ms:
        limit = freshness_ms // 1000
        return Reason(UncopiedReason.TOO_LATE, f"the entry is {age_ms / 1000:.0f} s old, {limit} s is the limit")
    return None


def _plausible(order: VenueOrder, price: Price | None) -> bool:
    paid = order.average_price
    if paid is None or price is None or price.amount <= 0:
        return False
    least, most = _PLAUSIBLE
    return least <= paid.amount / price.amount <= most and not _looks_like_quote(paid.amount, price.amount)


def _looks_like_quote(paid: Decimal, price: Decimal) -> bool:
    """Return whether the average price may be 1 because the size is in quote: it is not clearly nearer to the market's.

    The bounds alone do not show that for a coin that costs between 0.5 and 2.
    """
    return abs(price - 1) > _NEAR_ONE and abs(paid - 1) <= abs(paid - price)
