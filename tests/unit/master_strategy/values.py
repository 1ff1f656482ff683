"""Short ways to write the values that the master's tests are about."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from shared.domain.order import Side
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.port import Candle, VenueOrder, VenueOrderStatus

BTC = Symbol.parse("BTC/USD")
ETH = Symbol.parse("ETH/USD")
NOW = 1_800_000_000_000
MINUTE = 60_000


def btc(amount: str | Decimal) -> Quantity:
    """An amount of bitcoin."""
    return Quantity(Decimal(amount), "BTC")


def usd(amount: str | Decimal) -> Money:
    """An amount of dollars."""
    return Money(Decimal(amount), "USD")


def btc_price(amount: str | int) -> Price:
    """A price of bitcoin."""
    return Price(Decimal(amount), BTC)


def candles(*closes: int | str, first_at: int = NOW, step: int = MINUTE) -> list[Candle]:
    """One-minute candles with these closes."""
    return [_candle(first_at + index * step, Decimal(close)) for index, close in enumerate(closes)]


def rising(length: int = 8, *, first_at: int = NOW) -> Sequence[Candle]:
    """Candles whose fast average is above the slow one."""
    return candles(*range(50_000, 50_000 + length * 10, 10), first_at=first_at)


def falling(length: int = 8, *, first_at: int = NOW) -> Sequence[Candle]:
    """Candles whose fast average is below the slow one."""
    return candles(*range(50_000, 50_000 - length * 10, -10), first_at=first_at)


def done(
    side: Side,
    size: str,
    cost: str,
    *,
    order_id: str = "O1",
    client_id: str = "",
    fee: str = "0",
    fee_asset: str = "USD",
    symbol: Symbol = BTC,
    closed_at: int | None = NOW,
) -> VenueOrder:
    """An order that the venue shows as ended, or as open if it has no end."""
    return VenueOrder(
        venue_order_id=order_id,
        client_order_id=client_id,
        symbol=symbol,
        side=side,
        status=VenueOrderStatus.OPEN if closed_at is None else VenueOrderStatus.DONE,
        filled=Quantity(Decimal(size), symbol.base),
        cost=Money(Decimal(cost), symbol.quote),
        fee=Decimal(fee),
        fee_asset=fee_asset,
        opened_at=NOW,
        closed_at=closed_at,
    )


def _candle(at: int, close: Decimal) -> Candle:
    return Candle(at, close, close, close, close, Decimal(1))
