"""The checks of access: the token, the rate limit, the scope of the key. What fails here is never processed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.paper_exchange.coinbase.errors import CoinbaseRefusal, missing_scopes, rate_limited, unauthorized
from services.paper_exchange.coinbase.limits import PRIVATE_LIMIT, PUBLIC_LIMIT, THROTTLED_LIMIT, RateLimits
from services.paper_exchange.coinbase.routes import Scope
from services.paper_exchange.coinbase.scopes import rights_of
from services.paper_exchange.coinbase.token import BadToken, Target, Token, check
from services.paper_exchange.coinbase.venue import NAME, CoinbaseVenue
from services.paper_exchange.core.account import ApiKey
from services.paper_exchange.core.instrument import TradingStatus

UNLIMITED: Final = "unlimited"  # the tier of load tests
MAINTENANCE: Final = CoinbaseRefusal(
    503, {"error": "unavailable", "code": 14, "message": "under maintenance", "details": []}, "maintenance"
)

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """One request as received. `path` is decoded, `raw_path` as sent; neither has the query. `address` is the client's."""

    verb: str
    path: str
    query: bytes = b""
    authorization: str = ""
    body: bytes = b""
    host: str = ""
    address: str = ""
    raw_path: str = ""


class Gate:
    """The checks of every request."""

    def __init__(self, venue: CoinbaseVenue, *, limited: bool) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        self._limits = RateLimits() if limited else None
        self._throttle = RateLimits()

    def key(self, token: Token) -> ApiKey:
        """Return the key that a token proves."""
        return self._exchange.keys[token.key_name]

    def token(self, request: Request) -> Token:
        """Return a request's token. Raises CoinbaseRefusal (401)."""
        target = Target(request.verb, request.raw_path or request.path, request.host)
        try:
            return check(request.authorization, target, self._venue.now(), self._venue.public_keys.get)
        except BadToken as bad:
            raise unauthorized(str(bad)) from None

    def count_key(self, key: ApiKey) -> Headers:
        """Count a private request; return the headers of its answer. Raises CoinbaseRefusal (429, or 401 by a fault)."""
        faults, user = self._exchange.faults, key.account.user
        if faults.armed and faults.active("throttled_with_401", user, venue=NAME):
            allowance = self._throttle.count(key.name, self._exchange.clock.now(), THROTTLED_LIMIT)
            if not allowance.fits and faults.effect("throttled_with_401", user, venue=NAME):
                raise unauthorized()
        return [] if key.tier == UNLIMITED else self._count(f"key {key.name}", PRIVATE_LIMIT)

    def count_address(self, address: str) -> Headers:
        """Count a public request; return the headers of its answer. Raises CoinbaseRefusal (429)."""
        return self._count(f"address {address}", PUBLIC_LIMIT)

    def check_rights(self, key: ApiKey, scope: Scope) -> None:
        """Raise CoinbaseRefusal: 403 if the key lacks the scope, 503 while the venue is under maintenance."""
        if scope not in rights_of(self._exchange, key):
            self._exchange.faults.effect("trade_permission_lost", key.account.user, venue=NAME)
            raise missing_scopes()
        if self._exchange.faults.armed and self._exchange.rules.mode(key.account.user) is TradingStatus.MAINTENANCE:
            self._exchange.rules.count("maintenance_mode", key.account.user)
            raise MAINTENANCE

    def _count(self, name: str, limit: int) -> Headers:
        if self._limits is None:
            return []
        allowance = self._limits.count(name, self._exchange.clock.now(), limit)
        if not allowance.fits:
            refusal = rate_limited()
            refusal.headers = allowance.headers()
            raise refusal
        return allowance.headers()
