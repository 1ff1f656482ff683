"""The time, and the few calls of the older App API (`/v2/...`) that ccxt makes: currencies when it loads its markets, and the
wallets for `fetch_balance`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from services.paper_exchange.coinbase.accounts import worth
from services.paper_exchange.coinbase.call import Call, PublicCall, Shape
from services.paper_exchange.coinbase.catalogue import CURRENCIES, FIAT
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.texts import decimal_text
from services.paper_exchange.coinbase.venue import venue_time
from services.paper_exchange.core.instrument import ZERO

DEFAULT_PAGE: Final = 25
LARGEST_PAGE: Final = 100


def server_time(call: PublicCall) -> Shape:
    """Return the venue's clock: the wall clock, not market time."""
    now = venue_time(call.exchange)
    return {"iso": _iso(now), "epochSeconds": str(int(now)), "epochMillis": str(int(now * 1000))}


def app_time(call: PublicCall) -> Shape:
    """Return the same in the App API's words."""
    now = venue_time(call.exchange)
    return {"data": {"iso": _iso(now), "epoch": int(now)}}


def fiat_currencies(_: PublicCall) -> Shape:
    """Return the fiat currencies."""
    rows = [{"id": code, "name": CURRENCIES.get(code, "Euro"), "min_size": "0.01"} for code in sorted(FIAT)]
    return {"data": rows}


def crypto_currencies(_: PublicCall) -> Shape:
    """Return the coins."""
    codes = [code for code in CURRENCIES if code not in FIAT]
    return {
        "data": [
            {
                "asset_id": str(uuid5(NAMESPACE_URL, f"urn:shoal:paper:asset:{code}")),
                "code": code,
                "name": CURRENCIES[code],
                "color": "#0052FF",
                "sort_index": index,
                "exponent": 8,
                "type": "crypto",
                "address_regex": "",
            }
            for index, code in enumerate(codes, 100)
        ]
    }


def app_accounts(call: Call) -> Shape:
    """Return the wallets with their totals, the newest first; `starting_after` is the id of the last one seen."""
    limit = call.query.integer("limit", DEFAULT_PAGE) or DEFAULT_PAGE
    if limit < 0:
        raise invalid_argument("limit must not be negative")
    limit = min(limit, LARGEST_PAGE)
    ids = {call.portfolio.wallet_id(currency): currency for currency in reversed(call.account.balances)}
    rows, after = list(ids), call.query.text("starting_after")
    if after and after not in ids:
        raise invalid_argument("starting_after is not the id of a wallet")
    rows = rows[rows.index(after) + 1 :] if after else rows
    page, more = rows[:limit], len(rows) > limit
    return {
        "pagination": {
            "ending_before": None,
            "starting_after": after or None,
            "previous_ending_before": None,
            "next_starting_after": page[-1] if more else None,
            "limit": limit,
            "order": "desc",
            "previous_uri": None,
            "next_uri": f"/v2/accounts?limit={limit}&starting_after={page[-1]}" if more else None,
        },
        "data": [_app_account(call, wallet_id, ids[wallet_id]) for wallet_id in page],
    }


def _app_account(call: Call, wallet_id: str, currency: str) -> Shape:
    created = _iso(call.portfolio.created_at)
    fiat = currency in FIAT
    return {
        "id": wallet_id,
        "name": f"{currency} Wallet",
        "primary": next(iter(call.account.balances)) == currency,
        "type": "fiat" if fiat else "wallet",
        "currency": {
            "code": currency,
            "name": CURRENCIES.get(currency, currency),
            "exponent": 2 if fiat else 8,
            "type": "fiat" if fiat else "crypto",
        },
        "balance": {"amount": decimal_text(call.account.shown(currency, call.now)), "currency": currency},
        "created_at": created,
        "updated_at": created,
        "resource": "account",
        "resource_path": f"/v2/accounts/{wallet_id}",
        "allow_deposits": True,
        "allow_withdrawals": True,
    }


def exchange_rates(call: PublicCall) -> Shape:
    """Return what 1 USD is worth in each currency."""
    prices = {code: worth(call.exchange, code, Decimal(1)) for code in CURRENCIES}
    rates = {
        code: decimal_text((1 / price).quantize(Decimal("1e-12"))) for code, price in prices.items() if price > ZERO
    }
    return {"data": {"currency": "USD", "rates": rates}}


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
