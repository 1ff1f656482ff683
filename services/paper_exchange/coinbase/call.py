"""A request as the handlers get it: parsed, and for private methods authenticated.

Handlers return the JSON object of the answer. They raise CoinbaseRefusal for everything that is not HTTP 200; a refused order
is an answer of its own (`success: false`), not a refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.portfolios import Portfolio, Portfolios
from services.paper_exchange.core.account import Account, ApiKey
from services.paper_exchange.core.exchange import Exchange

Shape = dict[str, object]
"""A JSON object of an answer."""


class Query:
    """The parameters of a query string; a list repeats its name (`product_ids=a&product_ids=b`)."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    def items(self, name: str) -> list[str]:
        """Return every value of a parameter, in order; empty ones are left out."""
        return [value for value in self._values.get(name, ()) if value]

    def text(self, name: str) -> str:
        """Return a parameter's last value, empty if it is absent."""
        values = self._values.get(name)
        return values[-1] if values else ""

    def integer(self, name: str, default: int) -> int:
        """Parse an integer. Raises CoinbaseRefusal (400)."""
        text = self.text(name)
        if not text:
            return default
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise invalid_argument(f"{name}: not an integer")
        return int(text)

    def flag(self, name: str) -> bool:
        """Parse a boolean, as Go does: the client library writes `True` and `False`. Raises CoinbaseRefusal (400)."""
        text = self.text(name)
        if text in {"", "0", "f", "F", "false", "False", "FALSE"}:
            return False
        if text in {"1", "t", "T", "true", "True", "TRUE"}:
            return True
        raise invalid_argument(f"{name}: not a boolean")


@dataclass(slots=True)
class PublicCall:
    """A request that needs no key. `path` has the variables of the route's pattern, `now` is seconds since the epoch."""

    exchange: Exchange
    method: str
    path: dict[str, str]
    query: Query
    now: float


@dataclass(slots=True)
class Call(PublicCall):
    """An authenticated request. `portfolio` is what its key sees; `body` is the JSON object as sent."""

    key: ApiKey
    portfolio: Portfolio
    portfolios: Portfolios
    body: Shape = field(default_factory=dict)

    @property
    def account(self) -> Account:
        """Return the account of the portfolio."""
        return self.portfolio.account


PublicHandler = Callable[[PublicCall], Shape]
Handler = Callable[[Call], Shape]
