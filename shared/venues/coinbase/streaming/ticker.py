"""Coinbase's `ticker` channel (Advanced Trade): the last trade of each product, for `streaming/ticker.py`.

A product that is an alias of another has no rows of its own: `BTC-USDC` is shown as `BTC-USD`, whose book it shares. Each message
of the connection has the next number, so a lost one is seen. Source: COINBASE.md, C29.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from shared.domain.values.symbol import Symbol
from shared.venues.answers import UNREADABLE, decimal, instant
from shared.venues.coinbase.public import CoinbasePublic
from shared.venues.errors import Unavailable
from shared.venues.streaming.sequence import Sequence
from shared.venues.streaming.ticker_protocol import Heard, SubscriptionRefused, Tick


class CoinbaseTicker:
    """The `TickerProtocol` of Coinbase."""

    def __init__(self, public: CoinbasePublic) -> None:
        self._public = public
        self._sequence = Sequence()

    async def names(self, symbols: Collection[Symbol]) -> Mapping[str, frozenset[Symbol]]:
        """Return the ids of the products whose books these have."""
        found: dict[str, frozenset[Symbol]] = {}
        listed = await self._public.instruments()
        for symbol in symbols:
            if symbol in listed:
                name = self._public.book_of(symbol)
                found[name] = found.get(name, frozenset()) | {symbol}
        return found

    def opening(self) -> tuple[Mapping[str, object], ...]:
        """Return the subscription of heartbeats, one a second: without them a quiet channel is closed."""
        return ({"type": "subscribe", "channel": "heartbeats"},)

    def change(self, names: Collection[str], *, on: bool) -> Mapping[str, object]:
        """Return a (un)subscription; the products of several add up."""
        return {"type": "subscribe" if on else "unsubscribe", "channel": "ticker", "product_ids": list(names)}

    def reader(self) -> CoinbaseTickerReader:
        """Return the reader of a new connection."""
        return CoinbaseTickerReader(self._sequence)


class CoinbaseTickerReader:
    """Reads the messages of one connection."""

    def __init__(self, sequence: Sequence) -> None:
        """`sequence` is that of all connections, one after another."""
        self._sequence = sequence
        sequence.begin()

    def read(self, message: Mapping[str, Any]) -> Heard:
        """Read a message. Raises Unavailable for a gap, an error and a row without a product."""
        if message.get("type") == "error":
            raise SubscriptionRefused("Coinbase reports an error")
        try:
            self._count(message)
            made_at = instant(message["timestamp"]) if "timestamp" in message else None
            return Heard(_ticks(message) if message.get("channel") == "ticker" else (), made_at=made_at)
        except UNREADABLE as error:
            raise Unavailable(f"Coinbase's message could not be read ({type(error).__name__})") from None

    def _count(self, message: Mapping[str, Any]) -> None:
        channel = message.get("channel")
        if not self._sequence.follows(channel if isinstance(channel, str) else "", message.get("sequence_num")):
            raise Unavailable("a message is missing")


def _ticks(message: Mapping[str, Any]) -> list[Tick]:
    return [_tick(row) for event in message["events"] for row in event["tickers"]]


def _tick(row: Mapping[str, Any]) -> Tick:
    name = row["product_id"]
    if not isinstance(name, str):
        raise TypeError("not a name")
    return Tick(name, _price(row))


def _price(row: Mapping[str, Any]) -> Decimal | None:
    """Return the price of the last trade; a product that has never traded has none."""
    try:
        price = decimal(row["price"])
    except UNREADABLE:
        return None
    return price if price > 0 else None
