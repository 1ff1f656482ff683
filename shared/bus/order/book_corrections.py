"""The sums of a named master's corrections that no report states: what they become by further ones.

No other process changes them while the account's lease and the lock of its positions are held; they are written with the
position.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal

from shared.bus.connection import Bus
from shared.contracts.book_corrections import correction_field, read_amount
from shared.contracts.fields import MalformedMessageError
from shared.domain.book_corrections import added
from shared.domain.values.money import plain
from shared.domain.values.symbol import Symbol


async def corrected_sums(bus: Bus, key: str, changes: Mapping[Symbol, Mapping[str, Decimal]]) -> dict[str, str]:
    """Return the sums after some corrections by symbol and master, by field; one that cannot be read begins again.

    Raises BusUnavailable.
    """
    more = {
        correction_field(symbol, master): amount for symbol, each in changes.items() for master, amount in each.items()
    }
    if not more:
        return {}
    known: dict[str, Decimal] = {}
    for name, written in zip(more, await bus.do("HMGET", key, *more), strict=True):
        with suppress(MalformedMessageError):
            known |= {} if written is None else {name: read_amount(written)}
    return {name: plain(amount) for name, amount in added(known, more).items()}
