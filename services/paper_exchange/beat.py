"""The coarse beat that moves the market while nobody asks, so that resting orders fill and orders expire."""

from __future__ import annotations

import asyncio
from typing import Final

from services.paper_exchange.core.exchange import Exchange

BEAT: Final = 0.25  # seconds; requests catch up by themselves, so it only bounds how late an unwatched fill happens


async def beat(exchange: Exchange) -> None:
    """Let the exchange catch up four times a second, for ever."""
    while True:
        await asyncio.sleep(BEAT)
        exchange.catch_up()
