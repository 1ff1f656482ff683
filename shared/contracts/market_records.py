"""One field of `shoal:instruments:<venue>` or `shoal:prices:<venue>`: the trading rules and the last price of a pair."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final

from shared.contracts.fields import (
    Amount,
    Instant,
    MalformedMessageError,
    Message,
    Positive,
    SymbolField,
    read_json_object,
    type_or_blank,
)
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import ZERO, Price, plain
from shared.domain.values.symbol import Symbol

_PRICE: Final = re.compile(r"([0-9]{1,21}(?:\.[0-9]{1,100})?) ([0-9]{1,15})")


class InstrumentRecord(Message):
    """One field of `shoal:instruments:<venue>`: JSON text under the symbol."""

    symbol: SymbolField
    lot_step: Positive
    tick: Positive
    min_size: Amount
    min_cost: Amount
    status: PairStatus = PairStatus.ONLINE
    as_of: Annotated[Instant | None, type_or_blank] = None


def write_instrument(instrument: Instrument) -> str:
    """Return an instrument as the text of its field."""
    return json.dumps(
        InstrumentRecord(
            symbol=instrument.symbol,
            lot_step=instrument.lot_step,
            tick=instrument.tick,
            min_size=instrument.min_size,
            min_cost=instrument.min_cost,
            status=instrument.status,
            as_of=instrument.as_of,
        ).fields()
    )


def read_instrument(written: str) -> Instrument:
    """Parse an instrument. Raises MalformedMessageError."""
    record = InstrumentRecord.parse(read_json_object(written))
    return Instrument(
        record.symbol, record.lot_step, record.tick, record.min_size, record.min_cost, record.status, record.as_of
    )


def write_price(price: Price, at: int) -> str:
    """Return a price and its instant (epoch ms) as the text of its field: `60000.1 1763829000000`."""
    return f"{plain(price.amount)} {at}"


@lru_cache(maxsize=1_024)
def read_price(symbol: Symbol, written: str) -> tuple[Price, int]:
    """Parse a price and its instant. Raises MalformedMessageError. Cached: all users read the same few prices."""
    match = _PRICE.fullmatch(written)
    price = Decimal(match[1]) if match else ZERO
    if match is None or price <= 0:
        raise MalformedMessageError(f"price of {symbol}: {written[:80]!r}")
    return Price(price, symbol), int(match[2])
