"""What every connection of the paper Kraken's WebSocket shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.faults import VenueFaults
from services.paper_exchange.core.instrument import ZERO
from services.paper_exchange.core.market.clock import Clock
from services.paper_exchange.core.market.feed import Feed
from services.paper_exchange.kraken.counters import Counters
from services.paper_exchange.kraken.streams.channels.day import Days
from services.paper_exchange.kraken.streams.tokens import Tokens
from services.paper_exchange.streaming.register import StreamRegister


@dataclass(frozen=True, slots=True)
class StreamContext:
    """The exchange, the tokens of its REST side, its trading counters, and the register of open streams."""

    exchange: Exchange
    tokens: Tokens
    counters: Counters | None  # None if trading counters are switched off
    register: StreamRegister
    faults: VenueFaults
    clock: Clock
    days: Days = field(default_factory=Days)

    def feed(self, symbol: str) -> Feed | None:
        """Return the feed of a symbol as it is, without advancing it; None for an unknown one."""
        return self.exchange.market.feeds.get(symbol)

    def usd(self, asset: str, amount: Decimal) -> Decimal:
        """Return the value of an amount in USD, 0 for an asset without a price in it."""
        if asset == "USD" or not amount:
            return amount
        feed = self.feed(f"{asset}/USD")
        return amount * feed.instrument.price_at(feed.ticks) if feed is not None else ZERO
