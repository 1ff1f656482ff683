"""A private call, as the handlers get it."""

from __future__ import annotations

from dataclasses import dataclass

from services.paper_exchange.core.account import Account, ApiKey, Permission
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.kraken.counters import TIERS, AgeCost, Counters
from services.paper_exchange.kraken.errors import ORDER_RATE_LIMIT, KrakenRefusal
from services.paper_exchange.kraken.parameters import Parameters
from services.paper_exchange.kraken.streams.tokens import Tokens


@dataclass(slots=True)
class Call:
    """An authenticated request: its key, method and parameters, and the exchange."""

    exchange: Exchange
    counters: Counters | None  # None if trading counters are switched off
    tokens: Tokens
    key: ApiKey
    method: str
    parameters: Parameters
    now: float
    arrived: float
    """When the request arrived; before `now` if it was processed late."""

    @property
    def account(self) -> Account:
        """Return the account of the key."""
        return self.key.account

    def may(self, permission: Permission) -> bool:
        """Return whether the key has a permission."""
        return permission in self.key.permissions

    def charge(self, symbol: str, cost: float, *, refuse: bool = True) -> None:
        """Charge the trading counter of a pair. Raises KrakenRefusal if it exceeds its maximum and `refuse` is set."""
        if self.counters is None:
            return
        tier = TIERS[self.key.tier]
        account = self.account
        fits = self.counters.charge(
            (account.user, account.venue, symbol), self.now, cost, tier.trading_max, tier.trading_decay
        )
        if not fits and refuse:
            raise KrakenRefusal(ORDER_RATE_LIMIT)

    def age_cost(self, aged: AgeCost, since: float) -> int:
        """Return the age-dependent part of an operation's cost."""
        return aged.cost(self.now - since)
