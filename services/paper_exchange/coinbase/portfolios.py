"""Portfolios: the accounts of the core that one user has at this venue. A key belongs to one portfolio and sees no other.

Ids are derived from names, so that a wallet has the same id in every answer and after a restart with the same accounts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

from services.paper_exchange.coinbase.orders.placed import Placed
from services.paper_exchange.core.account import Account

DEFAULT: Final = "Default"
_SPACE: Final = uuid5(NAMESPACE_URL, "urn:shoal:paper:coinbase")


@dataclass(slots=True)
class Conversion:
    """A conversion between USD and USDC, from quote to completion."""

    id: str
    source: str
    target: str
    amount: Decimal
    done_at: float = 0.0


class PlacementListener(Protocol):
    """Something that is told of new orders, once it is settled what the venue shows of them. Must not change anything."""

    def order_placed(self, placed: Placed) -> None:
        """Hear of a new order; it may have traded, or ended, already."""
        ...


@dataclass(slots=True, eq=False)
class Portfolio:
    """One portfolio. `created_at` is seconds since the epoch."""

    user: str
    name: str
    account: Account
    created_at: float
    conversions: dict[str, Conversion] = field(default_factory=dict)
    placed: dict[str, Placed] = field(default_factory=dict)
    """Every order ever taken, by id, the oldest first."""
    by_client_id: dict[str, Placed] = field(default_factory=dict)
    """The order that each client order id names, for ever."""
    listeners: list[PlacementListener] = field(default_factory=list)

    def add_order(self, placed: Placed) -> None:
        """Add a new order."""
        self.placed[placed.order.id] = self.by_client_id[placed.client_order_id] = placed
        for listener in tuple(self.listeners):
            listener.order_placed(placed)

    @property
    def uuid(self) -> str:
        """Return the id, `retail_portfolio_id` in orders and wallets."""
        return str(uuid5(_SPACE, f"portfolio/{self.user}/{self.name}"))

    @property
    def type(self) -> str:
        """Return Coinbase's word for its type."""
        return "DEFAULT" if self.name == DEFAULT else "CONSUMER"

    @property
    def user_id(self) -> str:
        """Return the id of the user, the same in all portfolios."""
        return str(uuid5(_SPACE, f"user/{self.user}"))

    def wallet_id(self, currency: str) -> str:
        """Return the id of the wallet in a currency."""
        return str(uuid5(UUID(self.uuid), currency))


class Portfolios:
    """Every portfolio of the venue, by user and name."""

    def __init__(self, pending_most: float = 0.0, rng: random.Random | None = None) -> None:
        """`pending_most`: seconds for which a market order may read PENDING before it reads FILLED, at most."""
        self._pending_most = pending_most
        self._rng = rng
        self._by_user: dict[str, dict[str, Portfolio]] = {}
        self._by_account: dict[Account, Portfolio] = {}

    def pending_seconds(self) -> float:
        """Return for how long a new market order reads PENDING: 0 without random numbers."""
        return self._rng.uniform(0, self._pending_most) if self._rng is not None else 0.0

    def add(self, portfolio: Portfolio) -> None:
        """Add a portfolio."""
        self._by_user.setdefault(portfolio.user, {})[portfolio.name] = portfolio
        self._by_account[portfolio.account] = portfolio

    def find(self, user: str, name: str) -> Portfolio | None:
        """Return a user's portfolio of this name."""
        return self._by_user.get(user, {}).get(name)

    def of_account(self, account: Account) -> Portfolio:
        """Return the portfolio that has an account. Raises KeyError for an account of another venue."""
        return self._by_account[account]

    def of_user(self, user: str) -> list[Portfolio]:
        """Return all portfolios of a user, the oldest first."""
        return list(self._by_user.get(user, {}).values())
