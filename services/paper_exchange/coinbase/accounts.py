"""Coinbase's calls about money and rights: wallets, fees, portfolios, the key itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.catalogue import FIAT
from services.paper_exchange.coinbase.cursors import cut
from services.paper_exchange.coinbase.errors import invalid_argument, missing_scopes, not_found
from services.paper_exchange.coinbase.portfolios import Portfolio
from services.paper_exchange.coinbase.products import ALIAS_QUOTE, FEES, PRODUCTS
from services.paper_exchange.coinbase.routes import Scope
from services.paper_exchange.coinbase.scopes import rights_of
from services.paper_exchange.coinbase.texts import decimal_text, rfc3339
from services.paper_exchange.coinbase.view import last_price, traded
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import ZERO

DEFAULT_PAGE: Final = 49
LARGEST_PAGE: Final = 250
DOLLARS: Final = frozenset({"USD", ALIAS_QUOTE})


def list_accounts(call: Call) -> Shape:
    """Return a page of the portfolio's wallets: one per currency that it ever held, the oldest first."""
    limit = call.query.integer("limit", DEFAULT_PAGE) or DEFAULT_PAGE
    if not 0 < limit <= LARGEST_PAGE:
        raise invalid_argument(f"limit must be from 1 to {LARGEST_PAGE}")
    wanted = call.query.text("retail_portfolio_id")
    currencies = list(call.account.balances) if wanted in {"", call.portfolio.uuid} else []
    page = cut(currencies, str, call.query.text("cursor"), limit)
    return {
        "accounts": [_wallet(call, currency) for currency in page.rows],
        "has_next": page.has_next,
        "cursor": page.cursor,
        "size": len(page.rows),
    }


def get_account(call: Call) -> Shape:
    """Return one wallet."""
    wanted = call.path["account_uuid"]
    for currency in list(call.account.balances):
        if call.portfolio.wallet_id(currency) == wanted:
            return {"account": _wallet(call, currency)}
    raise not_found("account not found")


def transaction_summary(call: Call) -> Shape:
    """Return 30-day volume, fees, fee tier: sums as JSON numbers, rates and `total_balance` as texts (recorded: Coinbase.Net)."""
    account, exchange = call.account, call.exchange
    volume = account.volume.total(call.now)
    fees = sum((trade.fee for trade in account.trades), ZERO)
    tier = FEES.tier(volume)
    value = sum((worth(exchange, asset, amount) for asset, amount in list(account.balances.items())), ZERO)
    return {
        "total_volume": float(volume),
        "total_fees": float(fees),
        "fee_tier": {
            "pricing_tier": "Intro 1",
            "usd_from": "",
            "usd_to": "",
            "taker_fee_rate": decimal_text(tier.taker / 100),
            "maker_fee_rate": decimal_text(tier.maker / 100),
            "aop_from": "0",
            "aop_to": "1000000",
            "volume_types_and_range": [{"volume_types": ["VOLUME_TYPE_SPOT"], "vol_from": "0", "vol_to": "10000"}],
        },
        "margin_rate": None,
        "goods_and_services_tax": None,
        "advanced_trade_only_volume": float(volume),
        "advanced_trade_only_fees": float(fees),
        "coinbase_pro_volume": 0,
        "coinbase_pro_fees": 0,
        "total_balance": f"{value:.2f}",
        "has_promo_fee": False,
        "volume_breakdown": [{"volume_type": "VOLUME_TYPE_SPOT", "volume": float(volume)}],
        "has_cost_plus_commission": False,
    }


def key_permissions(call: Call) -> Shape:
    """Return what the key may do, and where."""
    rights = rights_of(call.exchange, call.key)
    return {
        "can_view": Scope.VIEW in rights,
        "can_trade": Scope.TRADE in rights,
        "can_transfer": Scope.TRANSFER in rights,
        "portfolio_uuid": call.portfolio.uuid,
        "portfolio_type": call.portfolio.type,
    }


def list_portfolios(call: Call) -> Shape:
    """Return the user's portfolios, of one type if asked."""
    wanted = call.query.text("portfolio_type")
    if wanted not in {"", "UNDEFINED", "DEFAULT", "CONSUMER", "INTX"}:
        raise invalid_argument("portfolio_type")
    found = call.portfolios.of_user(call.portfolio.user)
    return {"portfolios": [_portfolio(each) for each in found if wanted in {"", "UNDEFINED", each.type}]}


def portfolio_breakdown(call: Call) -> Shape:
    """Return the value of the key's own portfolio by wallet; another one is out of its reach."""
    own, exchange = call.portfolio, call.exchange
    if call.path["portfolio_uuid"] != own.uuid:
        raise missing_scopes()
    values = {asset: worth(exchange, asset, amount) for asset, amount in list(own.account.balances.items())}
    total = sum(values.values(), ZERO)
    cash = sum((value for asset, value in values.items() if asset in DOLLARS), ZERO)
    nothing = _dollars(ZERO)
    return {
        "breakdown": {
            "portfolio": _portfolio(own),
            "portfolio_balances": {
                "total_balance": _dollars(total),
                "total_futures_balance": nothing,
                "total_cash_equivalent_balance": _dollars(cash),
                "total_crypto_balance": _dollars(total - cash),
                "futures_unrealized_pnl": nothing,
                "perp_unrealized_pnl": nothing,
            },
            "spot_positions": [
                {
                    "asset": asset,
                    "account_uuid": own.wallet_id(asset),
                    "total_balance_fiat": float(value),
                    "total_balance_crypto": float(own.account.balances[asset]),
                    "available_to_trade_fiat": float(worth(exchange, asset, own.account.available(asset, call.now))),
                    "allocation": float(value / total) if total else 0,
                    "is_cash": asset in FIAT,
                }
                for asset, value in values.items()
            ],
            "perp_positions": [],
            "futures_positions": [],
        }
    }


def payment_methods(_: Call) -> Shape:
    """Return no payment methods: money comes by the control plane."""
    return {"payment_methods": []}


def worth(exchange: Exchange, asset: str, amount: Decimal) -> Decimal:
    """Return the value of an amount in USD; 0 for an asset that is not traded."""
    if asset in DOLLARS or not amount:
        return amount
    product = PRODUCTS.get(f"{asset}-USD")
    return amount * last_price(exchange, product) if product is not None and traded(exchange, product) else ZERO


def _wallet(call: Call, currency: str) -> Shape:
    account, portfolio = call.account, call.portfolio
    created = rfc3339(portfolio.created_at)
    return {
        "uuid": portfolio.wallet_id(currency),
        "name": f"{currency} Wallet",
        "currency": currency,
        "available_balance": _money(account.available(currency, call.now), currency),
        "default": next(iter(account.balances)) == currency,
        "active": True,
        "created_at": created,
        "updated_at": created,
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if currency in FIAT else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": _money(account.holds.get(currency, ZERO), currency),
        "retail_portfolio_id": portfolio.uuid,
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def _portfolio(portfolio: Portfolio) -> Shape:
    return {"name": portfolio.name, "uuid": portfolio.uuid, "type": portfolio.type, "deleted": False}


def _money(amount: Decimal, currency: str) -> Shape:
    return {"value": decimal_text(amount), "currency": currency}


def _dollars(amount: Decimal) -> Shape:
    return {"value": f"{amount:.2f}", "currency": "USD"}
