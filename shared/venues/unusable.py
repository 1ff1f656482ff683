"""The venue of an account that cannot trade, because its key is missing or its venue has no adapter. It answers with the reason.

So that account is parked by the same path as one whose key the venue refuses, and the others run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NoReturn

from shared.domain.key_report import Finding
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Refusal, Rejected
from shared.venues.port import Balances, BeginSend, Candle, OrderAck, OrderList, OrderRequest, VenueOrder
from shared.venues.stream import PrivateStream


class UnusableVenue:
    """Answers every call with the same refusal; nothing is ever sent."""

    visible_after_ms = 3_000
    furthest_deadline_ms = 60_000
    order_life_ms = 5_000
    shortest_life_ms = 0
    replays = False
    stops_at_market = True

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason

    def _refuse(self) -> NoReturn:
        raise Rejected(self.reason, Refusal.AUTH)

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Refuse."""
        self._refuse()

    async def renames(self) -> Mapping[str, str]:
        """Refuse."""
        self._refuse()

    async def prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Refuse."""
        self._refuse()

    async def candles(self, symbol: Symbol, minutes: int) -> Sequence[Candle]:
        """Refuse."""
        self._refuse()

    async def balances(self, *, patient: bool = False) -> Balances:
        """Refuse."""
        del patient
        self._refuse()

    async def check_key(self, symbol: Symbol | None, *, trades: bool, probe: bool) -> Sequence[Finding]:
        """Refuse."""
        del symbol, trades, probe
        self._refuse()

    async def taker_fee(self, symbol: Symbol) -> Decimal:
        """Refuse."""
        self._refuse()

    async def place(self, order: OrderRequest, begin: BeginSend) -> OrderAck:
        """Refuse, without a call of `begin`."""
        self._refuse()

    async def validate(self, order: OrderRequest) -> None:
        """Refuse."""
        del order
        self._refuse()

    async def replay(self, body: str, begin: BeginSend, *, latest_at: int | None = None) -> OrderAck:
        """Refuse, without a call of `begin`."""
        self._refuse()

    async def cancel(self, order: VenueOrder) -> None:
        """Refuse."""
        del order
        self._refuse()

    async def may_cancel(self) -> bool:
        """Refuse."""
        self._refuse()

    def private_stream(self) -> PrivateStream | None:
        """Return None: there is none yet."""
        return None

    async def order(self, venue_order_id: str) -> VenueOrder:
        """Refuse."""
        self._refuse()

    async def find(self, client_order_id: str, *, since: int | None) -> VenueOrder | None:
        """Refuse."""
        self._refuse()

    async def open_orders(self) -> OrderList:
        """Refuse."""
        self._refuse()

    async def closed_orders(self, *, since: int) -> OrderList:
        """Refuse."""
        self._refuse()

    async def close(self) -> None:
        """Close nothing: nothing was opened."""
