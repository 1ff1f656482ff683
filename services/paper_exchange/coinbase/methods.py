"""Every method that is served, by name: private ones and public ones."""

from __future__ import annotations

from typing import Final

from services.paper_exchange.coinbase import accounts, app_api, catalogue, convert, market_data
from services.paper_exchange.coinbase.call import Handler, PublicHandler
from services.paper_exchange.coinbase.orders.handlers import HANDLERS as ORDER_HANDLERS

PUBLIC_HANDLERS: Final[dict[str, PublicHandler]] = {
    "GetServerTime": app_api.server_time,
    "ListPublicProducts": catalogue.list_products,
    "GetPublicProduct": catalogue.get_product,
    "GetPublicCandles": market_data.candles,
    "GetPublicMarketTrades": market_data.market_trades,
    "GetPublicProductBook": market_data.product_book,
    "GetAppTime": app_api.app_time,
    "ListFiatCurrencies": app_api.fiat_currencies,
    "ListCryptoCurrencies": app_api.crypto_currencies,
    "GetExchangeRates": app_api.exchange_rates,
}

HANDLERS: Final[dict[str, Handler]] = {
    "ListProducts": catalogue.list_products,
    "GetProduct": catalogue.get_product,
    "GetCandles": market_data.candles,
    "GetMarketTrades": market_data.market_trades,
    "GetProductBook": market_data.product_book,
    "GetBestBidAsk": market_data.best_bid_ask,
    "ListAccounts": accounts.list_accounts,
    "GetAccount": accounts.get_account,
    "ListAppAccounts": app_api.app_accounts,
    "GetTransactionSummary": accounts.transaction_summary,
    "GetKeyPermissions": accounts.key_permissions,
    "ListPortfolios": accounts.list_portfolios,
    "GetPortfolioBreakdown": accounts.portfolio_breakdown,
    "ListPaymentMethods": accounts.payment_methods,
    "CreateConvertQuote": convert.create_quote,
    "CommitConvertTrade": convert.commit_trade,
    "GetConvertTrade": convert.get_trade,
    **ORDER_HANDLERS,
}
