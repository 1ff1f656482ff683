"""What differs between the venues in a stream of last prices: the names of pairs, the messages out, and what a message in says.

A reader must never guess: a row that it cannot read is a pair without a price, and one without a pair ends the connection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable


class SubscriptionRefused(Unavailable):
    """The venue reported an error without naming a pair: one that was asked for and not shown yet may be meant."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One row: the venue's name of a pair and the price of its last trade; None if the row has none that can be read."""

    name: str
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What one message says."""

    ticks: Sequence[Tick] = ()
    refused: Sequence[str] = ()
    """The names of pairs that the venue does not stream."""
    made_at: int | None = None
    """When the venue made it (epoch ms), if it is a new event that says so."""


class TickerReader(Protocol):
    """Reads the messages of one connection, from its first to its last."""

    def read(self, message: Mapping[str, Any]) -> Heard:
        """Read a message. Raises Unavailable if rows may be missing: a gap, an error, a row that cannot be read at all."""
        ...


class TickerProtocol(Protocol):
    """What differs between the venues."""

    async def names(self, symbols: Collection[Symbol]) -> Mapping[str, frozenset[Symbol]]:
        """Return the venue's names of the listed pairs among these. Pairs with one book have one name. Raises Unavailable."""
        ...

    def opening(self) -> Sequence[Mapping[str, object]]:
        """Return what is sent first on each connection."""
        ...

    def change(self, names: Sequence[str], *, on: bool) -> Mapping[str, object]:
        """Return the message that begins or ends the rows of some pairs."""
        ...

    def reader(self) -> TickerReader:
        """Return the reader of a new connection."""
        ...
