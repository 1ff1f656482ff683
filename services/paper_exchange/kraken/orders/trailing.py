"""Parses the distances of trailing stops: `+` and an amount in quote or a percentage, which stays one as the price moves.

Source: docs.kraken.com, Add Order (`price`, `price2`, `close[price]`: "the % suffix also works").
"""

from __future__ import annotations

from services.paper_exchange.core.instrument import Instrument, Side
from services.paper_exchange.core.order import ConditionalClose, Distance, OrderType
from services.paper_exchange.kraken.errors import INVALID_PRICE, KrakenRefusal, bad_argument
from services.paper_exchange.kraken.orders.prices import SentPrice
from services.paper_exchange.kraken.parameters import Parameters


def read_trailing_close(
    parameters: Parameters, kind: OrderType, instrument: Instrument, side: Side
) -> ConditionalClose:
    """Parse a trailing conditional close: its stop follows the price from the moment at which it is placed."""
    sent = SentPrice.of(parameters.need("close[price]"), "close[price]")
    close = ConditionalClose(kind, trail=read_trail(sent, "close[price]", instrument, side))
    if sent.amount <= 0 or (sent.percent and sent.amount >= 100 and side is Side.SELL):
        raise KrakenRefusal(INVALID_PRICE)
    if kind is OrderType.TRAILING_STOP_LIMIT:
        close.limit_offset = read_offset(parameters, "close[price2]", instrument, side)
    return close


def read_trail(sent: SentPrice, field: str, instrument: Instrument, side: Side) -> Distance:
    """Return the distance of a trailing stop: `+` and an amount or a percentage. Raises KrakenRefusal."""
    if sent.sign != "+":
        raise bad_argument(field)
    return _distance(sent, instrument, side)


def read_offset(parameters: Parameters, field: str, instrument: Instrument, side: Side) -> Distance:
    """Return the distance of a trailing order's limit from its trigger."""
    sent = SentPrice.of(parameters.need(field), field)
    if sent.sign not in {"+", "-"}:
        raise bad_argument(field)
    return _distance(sent, instrument, side)


def _distance(sent: SentPrice, instrument: Instrument, side: Side) -> Distance:
    amount = -sent.amount if sent.sign == "-" else sent.amount
    return Distance(amount, percent=True) if sent.percent else Distance(instrument.round_price(amount, side))
