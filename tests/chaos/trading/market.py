"""The market and the masters of a chaos run: which signals they give at which prices, all drawn from the seed.

Prices move little and by hand, so that hardly an entry expires for its price: what is tested is that copies are neither lost
nor doubled, whatever dies.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from uuid import UUID

from shared.domain.values.money import plain

MASTER_EQUITY: Final = Decimal(100_000)
PRICES: Final = {
    "BTC/USD": Decimal(60_000),
    "ETH/USD": Decimal(3_000),
    "SOL/USD": Decimal(150),
    "LTC/USD": Decimal(80),
    "LINK/USD": Decimal(14),
    "AVAX/USD": Decimal(30),
    "DOT/USD": Decimal(6),
    "BCH/USD": Decimal(400),
}
_FRACTIONS: Final = ("0.25", "0.37", "0.5", "1", "1")
_SAME_AGAIN: Final = 0.4
"""The share of entries on the symbol of the signal before: one that is still being carried, in a burst."""
_DRIFT: Final = 0.02
"""How far a price may stray from its start: below the slippage that the users accept."""


@dataclass(frozen=True, slots=True)
class PlannedSignal:
    """One signal of a master; `fraction` is empty for an entry."""

    id: str
    symbol: str
    size: Decimal
    price: Decimal
    fraction: str
    before: Decimal
    after: Decimal
    venue: str
    """The master's, which is named after it."""

    def fields(self) -> Mapping[str, str]:
        """Return the entry of `shoal:signals`, filled and emitted now."""
        now = str(time.time_ns() // 1_000_000)
        return {
            "v": "1",
            "id": self.id,
            "venue": self.venue,
            "symbol": self.symbol,
            "side": "sell" if self.fraction else "buy",
            "kind": "exit" if self.fraction else "entry",
            "base_size": plain(self.size),
            "quote_size": plain(self.size * self.price),
            "price": plain(self.price),
            "fraction": self.fraction,
            "position_before": plain(self.before),
            "position_after": plain(self.after),
            "master_equity": plain(MASTER_EQUITY),
            "master_order_id": self.id,
            "source": "strategy",
            "strategy": "chaos",
            "stop_loss": "",
            "take_profit": "",
            "filled_at": now,
            "emitted_at": now,
        }


@dataclass(slots=True)
class Market:
    """Draws prices and signals in turn."""

    dice: random.Random
    masters: Sequence[str] = ("kraken",)
    prices: dict[str, Decimal] = field(default_factory=lambda: dict(PRICES))
    held: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """By master and symbol."""
    latest: str = "BTC/USD"

    def move(self) -> tuple[str, Decimal]:
        """Draw the next price of some symbol."""
        symbol = self.dice.choice(list(PRICES))
        stray = Decimal(str(1 + self.dice.uniform(-_DRIFT, _DRIFT)))
        self.prices[symbol] = (PRICES[symbol] * stray).quantize(PRICES[symbol] / PRICES[symbol].scaleb(2))
        return symbol, self.prices[symbol]

    def closing(self) -> list[PlannedSignal]:
        """Close everything that the masters still hold: afterwards nobody may hold anything."""
        closed = []
        for (master, symbol), size in sorted(self.held.items()):
            if size:
                closed.append(
                    PlannedSignal(self._new_id(), symbol, size, self.prices[symbol], "1", size, Decimal(0), master)
                )
                self.held[master, symbol] = Decimal(0)
        return closed

    def _new_id(self) -> str:
        return str(UUID(int=self.dice.getrandbits(128), version=4))

    def signal(self) -> PlannedSignal:
        """Draw the next signal of one of the masters: entries of 1 to 2 % of its equity, exits of what it holds."""
        master = self.masters[0] if len(self.masters) == 1 else self.dice.choice(self.masters)
        holding = [symbol for (whose, symbol), size in sorted(self.held.items()) if size and whose == master]
        signal_id = self._new_id()
        if holding and self.dice.random() < 0.45:
            symbol, fraction = self.dice.choice(holding), self.dice.choice(_FRACTIONS)
            before = self.held[master, symbol]
            after = Decimal(0) if fraction == "1" else (before * (1 - Decimal(fraction))).quantize(Decimal("1e-8"))
            size = before - after
        else:
            again = self.dice.random() < _SAME_AGAIN
            symbol, fraction = self.latest if again else self.dice.choice(list(PRICES)), ""
            share = Decimal(str(round(self.dice.uniform(0.01, 0.02), 4)))
            size = (MASTER_EQUITY * share / self.prices[symbol]).quantize(Decimal("1e-8"))
            before = self.held.get((master, symbol), Decimal(0))
            after = before + size
        self.held[master, symbol], self.latest = after, symbol
        return PlannedSignal(signal_id, symbol, size, self.prices[symbol], fraction, before, after, master)
