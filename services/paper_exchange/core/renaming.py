"""Renames an asset while the market runs, as venues do: its pairs are replaced by new ones, and balances move to the new name.

Open orders on the old pairs are cancelled first. Ended orders keep the old pair's name, which is no longer listed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from services.paper_exchange.core.instrument import ZERO, Instrument

if TYPE_CHECKING:
    from services.paper_exchange.core.exchange import Exchange

PairListener = Callable[[Instrument], None]
"""Called with each pair under its new name, so that a venue's front can list it."""


def rename(exchange: Exchange, old: str, new: str, ratio: Decimal, listed: PairListener) -> list[str]:
    """Rename an asset; 1 of the old becomes `ratio` of the new. Return the new symbols.

    Raises ValueError if the old one is not traded, or the new name is taken.
    """
    exchange.catch_up()
    market = exchange.market
    symbols = [symbol for symbol, feed in market.feeds.items() if feed.instrument.base == old]
    if not symbols:
        raise ValueError(f"{old} is not traded here")
    taken = {part for feed in market.feeds.values() for part in (feed.instrument.base, feed.instrument.quote)}
    if new in taken | exchange.renamed.keys():
        raise ValueError(f"the name {new} is taken")
    for account in exchange.accounts.values():
        for order in [each for each in account.open_orders.values() if each.instrument.base == old]:
            exchange.at(account).cancel(order, "Market delisted")
    found = []
    for symbol in symbols:
        before = exchange.rules.base(symbol)
        instrument = replace(before, symbol=f"{new}/{before.quote}", base=new, order_min=before.order_min * ratio)
        listed(instrument)
        exchange.rules.replace(symbol, instrument)
        market.replace(symbol, instrument, market.last(symbol) / ratio)
        found.append(instrument.symbol)
    exchange.renamed[old] = new
    now = exchange.clock.now()
    for account in exchange.accounts.values():
        amount = account.balances.get(old, ZERO)
        if amount:
            account.transfer(exchange.at(account).ids.make("L"), now, old, -amount, "conversion")
            account.transfer(exchange.at(account).ids.make("L"), now, new, amount * ratio, "conversion")
        account.balances.pop(old, None)
        account.holds.pop(old, None)
        account.lagging = [entry for entry in account.lagging if entry[1] != old]
    return found
