"""What the records say about one book of an account in a period, unanalysed. Pure values; `reader.py` collects them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from shared.domain.order import Decision, OrderState
from shared.domain.position import MAIN
from shared.domain.signal import Signal
from shared.domain.values.currency import alike
from shared.domain.values.money import ZERO
from shared.domain.values.symbol import Symbol
from shared.ledger.performance.trades import Trade


class Holding(NamedTuple):
    """The key of a book: a coin, and the currency in which it is counted. `BTC/USD` and `BTC/USDC` are one holding."""

    asset: str
    currency: str

    @staticmethod
    def of(symbol: Symbol) -> Holding:
        """Return the holding that a symbol trades."""
        return Holding(symbol.base, "USD" if alike(symbol.quote, "USD") else symbol.quote)

    @property
    def symbol(self) -> Symbol:
        """Return it as a symbol, for display."""
        return Symbol(self.asset, self.currency)


@dataclass(frozen=True, slots=True)
class Ending:
    """The report on one order; `trade` is what it filled, None if nothing. `at` in epoch ms."""

    order_id: str
    signal_id: str
    outcome: OrderState
    code: str
    at: int
    trade: Trade | None


@dataclass(frozen=True, slots=True)
class Copied:
    """One fill of the master, and what was decided for the user about it."""

    signal: Signal
    decision: Decision


@dataclass(frozen=True, slots=True)
class Opening:
    """What was held of one coin when the period began, and its price then."""

    master: Decimal = ZERO
    user: Decimal = ZERO
    price: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Scale:
    """How a user's sizes follow the master's: `equity` is the ratio of the equities, `factor` what it is multiplied by."""

    equity: Decimal
    factor: Decimal


@dataclass(frozen=True, slots=True)
class Material:
    """One book of an account (`venue`, `currency`, `master`) from `since` to `until` (epoch ms).

    `copied` in the order of the signals.
    """

    venue: str
    currency: str
    since: int
    until: int
    copied: Sequence[Copied]
    endings: Sequence[Ending]
    openings: Mapping[Holding, Opening] = field(default_factory=dict)
    closing_prices: Mapping[Holding, Decimal] = field(default_factory=dict)
    """The recorded prices at the end; a coin without one is valued at its last fill."""
    lots: Mapping[Symbol, Decimal] = field(default_factory=dict)
    """The venue's step of sizes, by the user's symbol."""
    scale_before: Scale | None = None
    """That of the last decision before the period, used where the period has none."""
    master: str = MAIN
    """The named master whose book it is; empty for the main book."""

    @property
    def title(self) -> str:
        """Name it for people."""
        return title_of(self.venue, self.currency, self.master)


def title_of(venue: str, currency: str, master: str) -> str:
    """Name an account, or the book of a named master in it, for people."""
    return f"{venue}, in {currency}" + (f", copied from {master}" if master else "")
