"""A price stream whose connection a test plays: shipped beside the port, so that tests need no patched mocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import NoReturn

from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.price_stream import PriceListener
from shared.venues.stream import ConnectPermit


class FakePriceStream:
    """A stream that shows what the test says. `connects` counts its connections, `followed` are the pairs of now."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` is the venue's (epoch ms)."""
        self.connects = 0
        self.followed: frozenset[Symbol] = frozenset()
        self._clock = clock
        self._listener: PriceListener | None = None
        self._failure: asyncio.Future[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether a listener hears."""
        return self._listener is not None

    def follow(self, symbols: Collection[Symbol]) -> None:
        """Remember what is to be shown."""
        self.followed = frozenset(symbols)

    async def run(self, listener: PriceListener, permit: ConnectPermit) -> NoReturn:
        """Show what the test says, until it makes the stream fail."""
        await permit()
        self.connects += 1
        self._listener, self._failure = listener, asyncio.get_running_loop().create_future()
        try:
            await self._failure
            raise AssertionError("a stream never ends")
        finally:
            self._listener = None

    def show(self, *prices: Price) -> None:
        """Show prices, followed or not."""
        for price in prices:
            self._heard_by().seen(price, self._clock())

    def beat(self) -> None:
        """Give a sign of life."""
        self._heard_by().alive(self._clock())

    def hide(self, *symbols: Symbol) -> None:
        """Show these pairs no longer."""
        self._heard_by().unseen(symbols, "the test hides it")

    def cut(self) -> None:
        """Lose the connection; what is shown afterwards comes over the next one."""
        self._heard_by().interrupted("the test cut it")

    def fail(self, error: Exception) -> None:
        """End `run` with an error, as no stream should."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    def _heard_by(self) -> PriceListener:
        if self._listener is None:
            raise AssertionError("the stream is not connected")
        return self._listener
