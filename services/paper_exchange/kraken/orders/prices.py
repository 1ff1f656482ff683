"""Prices as Kraken accepts them: absolute, or relative to the last price with prefix `+`, `-` or `#` and suffix `%`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.instrument import ZERO, Instrument, Side
from services.paper_exchange.kraken.errors import INVALID_PRICE, KrakenRefusal, bad_argument
from services.paper_exchange.kraken.parameters import decimal_of

SIGNS: Final = "+-#"


@dataclass(frozen=True, slots=True)
class SentPrice:
    """A price as sent: `sign` is empty for an absolute one; with `percent` the amount is a percentage."""

    text: str
    sign: str
    amount: Decimal
    percent: bool

    @classmethod
    def of(cls, text: str, field: str) -> SentPrice:
        """Parse a price. Raises KrakenRefusal naming the field."""
        sign = text[0] if text[0] in SIGNS else ""
        percent = text.endswith("%")
        if percent and not sign:
            raise bad_argument(field)
        return cls(text, sign, decimal_of(text[len(sign) :].removesuffix("%"), field), percent)

    def distance(self, reference: Decimal) -> Decimal:
        """Return the offset's size in quote."""
        return reference * self.amount / 100 if self.percent else self.amount

    def resolve(self, reference: Decimal, instrument: Instrument, side: Side) -> Decimal:
        """Return the absolute price. `#` means the side on which the order would rest. Raises KrakenRefusal for a bad step."""
        if not self.sign:
            return checked(self.amount, instrument)
        below = self.sign == "-" or (self.sign == "#" and side is Side.BUY)
        distance = self.distance(reference)
        found = instrument.round_price(reference - distance if below else reference + distance, side)
        if found <= 0:
            raise KrakenRefusal(INVALID_PRICE)
        return found


def checked(price: Decimal, instrument: Instrument) -> Decimal:
    """Return an absolute price after a check of its sign and decimals. Raises KrakenRefusal."""
    if price <= ZERO:
        raise KrakenRefusal(INVALID_PRICE)
    exponent = price.normalize().as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101  # plain decimals only: see parameters.py
    if -exponent > instrument.price_decimals:
        raise KrakenRefusal(
            f"{INVALID_PRICE}:{instrument.symbol} price can only be specified up to {instrument.price_decimals} decimals."
        )
    return price
