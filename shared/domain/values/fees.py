"""Taker fees by pair, for reserving cash: an order must never ask for more than the account can pay.

A venue has several fee schedules (Kraken's for stablecoins and currencies differs from that for other coins), so the fee of one
pair says nothing about another. Until the fee of a pair is known, that of the venue's highest tier is assumed: too much cash may
be reserved, never too little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName

_DEAREST: Final[Mapping[str, Decimal]] = {
    VenueName.KRAKEN: Decimal("0.004"),  # kraken.com/features/fee-schedule; shared/venues/kraken/KRAKEN.md, K23
    VenueName.COINBASE: Decimal("0.012"),  # the base tier in recorded answers; shared/venues/coinbase/COINBASE.md, C17
}


def dearest_taker_fee(venue: str) -> Decimal:
    """Return the taker fee of a venue's highest tier, as a fraction; for an unknown venue the highest of all."""
    return _DEAREST.get(venue, max(_DEAREST.values()))


class TakerFees:
    """The taker fees of one account, as far as they are known. In memory; the owner of it asks the venue pair by pair."""

    def __init__(self, venue: str, symbols: Iterable[Symbol] = ()) -> None:
        """`symbols` are the pairs whose fees are asked for from the start."""
        self._dearest = dearest_taker_fee(venue)
        self._known: dict[Symbol, Decimal] = {}
        self._wanted = dict.fromkeys(symbols)

    def of(self, symbol: Symbol) -> Decimal:
        """Return the fee of a pair, or the highest tier's while it is unknown; the pair is asked for from now on."""
        self._wanted.setdefault(symbol)
        return self._known.get(symbol, self._dearest)

    @property
    def dearest(self) -> Decimal:
        """Return the highest fee among the pairs that are traded; the highest tier's while one of them is unknown."""
        return max((self._known.get(symbol, self._dearest) for symbol in self._wanted), default=self._dearest)

    @property
    def unknown(self) -> bool:
        """Whether the fee of a traded pair is not known yet."""
        return any(each not in self._known for each in self._wanted)

    def next(self) -> Symbol | None:
        """Return the pair to ask for next: an unknown one, else the one asked longest ago; None if there is none."""
        return next((each for each in self._wanted if each not in self._known), next(iter(self._known), None))

    def learn(self, symbol: Symbol, fee: Decimal) -> None:
        """Store the fee of a pair as the venue states it."""
        self._wanted.setdefault(symbol)
        self._known.pop(symbol, None)  # moves to the end of the queue
        self._known[symbol] = fee

    def forget(self, symbol: Symbol) -> None:
        """Stop asking for a pair that the venue does not list."""
        self._wanted.pop(symbol, None)
        self._known.pop(symbol, None)
