"""The loop that moves the market between requests: orders fill and expire, and no candle is left out."""

from __future__ import annotations

import asyncio
from typing import Final

from services.paper_exchange.core.exchange import Exchange

INTERVAL: Final = (
    0.25  # seconds; requests catch up by themselves, so it only bounds how late a fill without requests happens
)


async def run_market(exchange: Exchange) -> None:
    """Advance the exchange and the market to now, four times a second, until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL)
        exchange.catch_up()
        exchange.market.advance()
