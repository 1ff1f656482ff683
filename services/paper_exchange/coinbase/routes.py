"""The table of Coinbase's methods: verb and path below /api/v3/brokerage/, the name that the journal and faults use, the scope.

Paths and names: docs.cdp.coinbase.com, Advanced Trade REST. A segment in braces is a variable; fixed segments win over variables
(`orders/historical/batch` is not an order's id).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "/api/v3/brokerage/"


class Scope(StrEnum):
    """What a key must be allowed to; PUBLIC needs no key."""

    PUBLIC = "public"
    VIEW = "view"
    TRADE = "trade"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class Route:
    """One method."""

    verb: str
    pattern: str
    name: str
    scope: Scope


ROUTES: Final = (
    Route("GET", "time", "GetServerTime", Scope.PUBLIC),
    Route("GET", "market/products", "ListPublicProducts", Scope.PUBLIC),
    Route("GET", "market/products/{product_id}", "GetPublicProduct", Scope.PUBLIC),
    Route("GET", "market/products/{product_id}/candles", "GetPublicCandles", Scope.PUBLIC),
    Route("GET", "market/products/{product_id}/ticker", "GetPublicMarketTrades", Scope.PUBLIC),
    Route("GET", "market/product_book", "GetPublicProductBook", Scope.PUBLIC),
    Route("GET", "/v2/time", "GetAppTime", Scope.PUBLIC),
    Route("GET", "/v2/currencies", "ListFiatCurrencies", Scope.PUBLIC),
    Route("GET", "/v2/currencies/crypto", "ListCryptoCurrencies", Scope.PUBLIC),
    Route("GET", "/v2/exchange-rates", "GetExchangeRates", Scope.PUBLIC),
    Route("GET", "/v2/accounts", "ListAppAccounts", Scope.VIEW),
    Route("GET", "products", "ListProducts", Scope.VIEW),
    Route("GET", "products/{product_id}", "GetProduct", Scope.VIEW),
    Route("GET", "products/{product_id}/candles", "GetCandles", Scope.VIEW),
    Route("GET", "products/{product_id}/ticker", "GetMarketTrades", Scope.VIEW),
    Route("GET", "product_book", "GetProductBook", Scope.VIEW),
    Route("GET", "best_bid_ask", "GetBestBidAsk", Scope.VIEW),
    Route("GET", "accounts", "ListAccounts", Scope.VIEW),
    Route("GET", "accounts/{account_uuid}", "GetAccount", Scope.VIEW),
    Route("GET", "transaction_summary", "GetTransactionSummary", Scope.VIEW),
    Route("GET", "key_permissions", "GetKeyPermissions", Scope.VIEW),
    Route("GET", "portfolios", "ListPortfolios", Scope.VIEW),
    Route("GET", "portfolios/{portfolio_uuid}", "GetPortfolioBreakdown", Scope.VIEW),
    Route("GET", "payment_methods", "ListPaymentMethods", Scope.VIEW),
    Route("POST", "convert/quote", "CreateConvertQuote", Scope.TRADE),
    Route("POST", "convert/trade/{trade_id}", "CommitConvertTrade", Scope.TRADE),
    Route("GET", "convert/trade/{trade_id}", "GetConvertTrade", Scope.VIEW),
    Route("POST", "orders", "CreateOrder", Scope.TRADE),
    Route("POST", "orders/batch_cancel", "CancelOrders", Scope.TRADE),
    Route("POST", "orders/edit", "EditOrder", Scope.TRADE),
    Route("POST", "orders/edit_preview", "PreviewEdit", Scope.TRADE),
    Route("POST", "orders/preview", "PreviewOrder", Scope.TRADE),
    Route("GET", "orders/historical/batch", "ListOrders", Scope.VIEW),
    Route("GET", "orders/historical/fills", "ListFills", Scope.VIEW),
    Route("GET", "orders/historical/{order_id}", "GetOrder", Scope.VIEW),
)


def _is_variable(segment: str) -> bool:
    return segment.startswith("{")


_BY_LENGTH: Final[dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]]] = {}
for _route in sorted(ROUTES, key=lambda route: route.pattern.count("{")):
    _segments = tuple(_route.pattern.split("/"))
    _BY_LENGTH.setdefault((_route.verb, len(_segments)), []).append((_segments, _route))


def find_route(verb: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a path and the values of its variables; None if the venue does not know it."""
    given = path.removeprefix(PREFIX).split("/")
    for segments, route in _BY_LENGTH.get((verb, len(given)), ()):
        if all(_is_variable(name) or name == value for name, value in zip(segments, given, strict=True)):
            values = {name[1:-1]: value for name, value in zip(segments, given, strict=True) if _is_variable(name)}
            return route, values
    return None
