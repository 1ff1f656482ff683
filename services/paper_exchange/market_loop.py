"""The coarse beat that moves the market while nobody asks: orders fill and expire, and no candle is left out."""

from __future__ import annotations

import asyncio
from typing import Final

from services.paper_exchange.core.exchange import Exchange

BEAT: Final = 0.25  # seconds; requests catch up by themselves, so it only bounds how late an unwatched fill happens


async def run_market(exchange: Exchange) -> None:
    """Let the market and the exchange catch up four times a second, for ever."""
    while True:
        await asyncio.sleep(BEAT)
        exchange.catch_up()
        exchange.market.advance()
