"""What clients ask of Coinbase without a key beside the market: the time, and three lists of the older App API (`/v2/...`).

ccxt reads the lists when it loads its markets.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from services.paper_exchange.coinbase.accounts import worth
from services.paper_exchange.coinbase.call import PublicCall, Shape
from services.paper_exchange.coinbase.catalogue import CURRENCIES, FIAT
from services.paper_exchange.coinbase.texts import decimal_text
from services.paper_exchange.coinbase.venue import venue_time
from services.paper_exchange.core.instrument import ZERO


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


def exchange_rates(call: PublicCall) -> Shape:
    """Return what 1 USD is worth in each currency."""
    prices = {code: worth(call.exchange, code, Decimal(1)) for code in CURRENCIES}
    rates = {
        code: decimal_text((1 / price).quantize(Decimal("1e-12"))) for code, price in prices.items() if price > ZERO
    }
    return {"data": {"currency": "USD", "rates": rates}}


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
