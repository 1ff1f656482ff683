"""The public stream of a venue's prices: the last trade of each pair, in milliseconds, over one connection without a key.

The meaning is that of `PublicVenue.prices`: the price of the last trade, never a mid or a quote. REST remains the fallback:
what a stream does not show is read there.

A price that has not moved is known as of the last sign of life of the connection that showed it. An adapter must therefore never
report a sign of life of a connection that may have lost a row, and never show a price that it could not read.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn, Protocol

from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.stream import ConnectPermit


class PriceListener(Protocol):
    """What hears of prices, in the order of arrival. No method may raise. Instants are epoch ms, the venue's time."""

    def seen(self, price: Price, at: int) -> None:
        """Hear the price of a pair's last trade, which also is a sign of life."""
        ...

    def alive(self, at: int) -> None:
        """Hear a sign of life: every price that was seen since the last interruption is still that of the last trade."""
        ...

    def unseen(self, symbols: Collection[Symbol], why: str) -> None:
        """Hear that the prices of these pairs are not shown until they are seen again. `why` is for logs."""
        ...

    def interrupted(self, why: str) -> None:
        """Hear that no price is shown until it is seen again. `why` is for logs."""
        ...


class PriceStream(Protocol):
    """The prices of the pairs that are followed."""

    def follow(self, symbols: Collection[Symbol]) -> None:
        """Show these pairs and no others from now on; subscriptions change while the stream runs, within the venue's limits."""
        ...

    async def run(self, listener: PriceListener, permit: ConnectPermit) -> NoReturn:
        """Connect, subscribe and show prices, for ever: connects again after every failure, with growing pauses."""
        ...
