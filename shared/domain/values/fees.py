"""What trades cost, by pair: kept where cash is reserved, so that an order never asks for more than the account can pay.

A venue has several fee schedules (Kraken's for stable coins and currencies differs from that of coins), so the fee of one pair
says nothing about another. A pair whose fee has not been asked yet is taken to cost what the venue's dearest tier does: too much
cash may be reserved, never too little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName

_DEAREST: Final[Mapping[str, Decimal]] = {
    VenueName.KRAKEN: Decimal("0.004"),  # kraken.com/features/fee-schedule; shared/venues/kraken/KRAKEN.md, K23
    VenueName.COINBASE: Decimal("0.012"),  # the base tier in recorded answers; there is no adapter yet
}


def dearest_taker_fee(venue: str) -> Decimal:
    """Return the taker fee of a venue's dearest tier, as a fraction; of an unknown venue the dearest of all."""
    return _DEAREST.get(venue, max(_DEAREST.values()))


class TakerFees:
    """The taker fees of one account, as far as they have been asked. In memory; whoever owns it asks the venue, pair by pair."""

    def __init__(self, venue: str, symbols: Iterable[Symbol] = ()) -> None:
        """`symbols` are the pairs that are known from the start to be traded."""
        self._dearest = dearest_taker_fee(venue)
        self._known: dict[Symbol, Decimal] = {}
        self._wanted = dict.fromkeys(symbols)

    def of(self, symbol: Symbol) -> Decimal:
        """Return the fee of a pair; the dearest tier's until it is known, and from then on it is asked for."""
        self._wanted.setdefault(symbol)
        return self._known.get(symbol, self._dearest)

    @property
    def dearest(self) -> Decimal:
        """Return the dearest fee among the pairs that are traded; the dearest tier's while one of them is not known."""
        return max((self._known.get(symbol, self._dearest) for symbol in self._wanted), default=self._dearest)

    def next(self) -> Symbol | None:
        """Name the pair to ask for next: one that is not known, else the one asked longest ago; None if there is none."""
        return next((each for each in self._wanted if each not in self._known), next(iter(self._known), None))

    def learn(self, symbol: Symbol, fee: Decimal) -> None:
        """Take over what the venue says."""
        self._wanted.setdefault(symbol)
        self._known.pop(symbol, None)  # to the end: asked just now
        self._known[symbol] = fee

    def forget(self, symbol: Symbol) -> None:
        """Ask no more for a pair that the venue does not list."""
        self._wanted.pop(symbol, None)
        self._known.pop(symbol, None)
