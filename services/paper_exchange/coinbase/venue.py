"""The state of the paper Coinbase beside the core: its portfolios, the public halves of its keys, its own clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from services.paper_exchange.coinbase.keys import PublicKey
from services.paper_exchange.coinbase.portfolios import Portfolio, Portfolios
from services.paper_exchange.coinbase.products import BY_SYMBOL, FEES, INSTRUMENTS
from services.paper_exchange.core.account import Account, ApiKey
from services.paper_exchange.core.exchange import Exchange, VenueKind
from services.paper_exchange.core.ids import Ids
from services.paper_exchange.core.market.market import Market
from services.paper_exchange.core.market.venue_market import OwnSteps

NAME: Final = "coinbase"
PENDING_MOST: Final = 0.3
"""Seconds for which a market order was seen PENDING after it was taken (our assumption)."""
BOOK_CAPS: Final = dict.fromkeys(("starter", "intermediate", "pro"), 500)
"""Open orders per product: the number of Coinbase Exchange (docs.cdp.coinbase.com), assumed here; no cap for `unlimited`."""
SWITCHED: Final = "Switched"
"""The empty portfolio that a key is moved to by the fault `portfolio_switched`."""


@dataclass(slots=True)
class CoinbaseVenue:
    """The exchange, and what only Coinbase has."""

    exchange: Exchange
    portfolios: Portfolios = field(default_factory=Portfolios)
    public_keys: dict[str, PublicKey] = field(default_factory=dict)

    def now(self) -> float:
        """Return the venue's clock in seconds: the exchange's, unless a fault sets it ahead or behind."""
        return venue_time(self.exchange)

    def key(self, name: str) -> ApiKey | None:
        """Return a key of this venue."""
        return self.exchange.keys.get(name) if name in self.public_keys else None

    def portfolio(self, key: ApiKey) -> Portfolio:
        """Return the portfolio that a key sees."""
        own = self.portfolios.of_account(key.account)
        if self.exchange.faults.armed and self.exchange.faults.effect("portfolio_switched", own.user, venue=NAME):
            return self.portfolios.find(own.user, SWITCHED) or self._add(own.user, SWITCHED, key.tier)
        return own

    def _add(self, user: str, name: str, tier: str) -> Portfolio:
        portfolio = Portfolio(user, name, Account(user, NAME, tier), self.exchange.clock.now())
        self.portfolios.add(portfolio)
        return portfolio


def coinbase_kind(market: Market, ids: Ids) -> VenueKind:
    """Return Coinbase over a market: two products on each dollar book, in steps of their own."""
    view = OwnSteps(market, INSTRUMENTS.__getitem__, lambda symbol: BY_SYMBOL[symbol].book_symbol)
    return VenueKind(NAME, "CreateOrder", INSTRUMENTS, FEES, ids, view, BOOK_CAPS)


def venue_time(exchange: Exchange) -> float:
    """Return the instant that the venue takes for now, in seconds since the epoch."""
    now, faults = exchange.clock.now(), exchange.faults
    if faults.armed:
        ahead, behind = (faults.active(name, venue=NAME) for name in ("clock_ahead", "clock_behind"))
        now += (ahead.seconds if ahead else 0.0) - (behind.seconds if behind else 0.0)
    return now
