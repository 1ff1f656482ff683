"""What can be traded, and in which steps. A venue's front has the table of its instruments."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final

ZERO: Final = Decimal(0)


class Side(StrEnum):
    """The side of an order."""

    BUY = "buy"
    SELL = "sell"


class TradingStatus(StrEnum):
    """What the venue allows on a pair, or on all pairs."""

    ONLINE = "online"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True)
class Instrument:
    """A pair with its steps and minimums. `tick` is a power of ten; sizes are in base, costs in quote."""

    symbol: str
    base: str
    quote: str
    price_decimals: int
    lot_decimals: int
    order_min: Decimal
    cost_min: Decimal = Decimal("0.5")
    cost_decimals: int = 5
    status: TradingStatus = TradingStatus.ONLINE

    @cached_property
    def tick(self) -> Decimal:
        """Return the smallest price step."""
        return Decimal(1).scaleb(-self.price_decimals)

    @cached_property
    def lot(self) -> Decimal:
        """Return the smallest size step."""
        return Decimal(1).scaleb(-self.lot_decimals)

    @cached_property
    def cent(self) -> Decimal:
        """Return the smallest step of a cost or fee in quote."""
        return Decimal(1).scaleb(-self.cost_decimals)

    def price_at(self, ticks: int) -> Decimal:
        """Convert a number of ticks to a price."""
        return Decimal(ticks).scaleb(-self.price_decimals)

    def ticks_of(self, price: Decimal) -> int:
        """Convert a price to ticks, rounded to the nearest."""
        return int(price.scaleb(self.price_decimals).to_integral_value())

    def floor_size(self, size: Decimal) -> Decimal:
        """Round a size down to the lot step."""
        return size.quantize(self.lot, rounding=ROUND_DOWN)

    def round_price(self, price: Decimal, side: Side) -> Decimal:
        """Round a computed price to the tick that is worst for the order's owner: down for a buy's limit, up for a sell's."""
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        return price.quantize(self.tick, rounding=rounding)
