"""Kraken's public reference data (time, status, assets, pairs) and the table of all public methods."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import Instrument
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.errors import KrakenRefusal, bad_argument
from services.paper_exchange.kraken.market_data import depth, named_pairs, ohlc, spread, ticker, trades
from services.paper_exchange.kraken.pairs import ASSET_BY_NAME, ASSETS, LEVERAGE, Asset, KrakenPair, listed_assets
from services.paper_exchange.kraken.parameters import Parameters
from services.paper_exchange.kraken.shapes import ids, rfc1123, rfc3339


def time(exchange: Exchange, parameters: Parameters) -> object:
    """Return the venue's clock: the wall clock, not market time."""
    now = exchange.clock.now()
    return {"unixtime": int(now), "rfc1123": rfc1123(now)}


def system_status(exchange: Exchange, parameters: Parameters) -> object:
    """Return the mode of the whole venue."""
    return {"status": str(exchange.rules.mode()), "timestamp": rfc3339(exchange.clock.now())}


def assets(exchange: Exchange, parameters: Parameters) -> object:
    """Return the assets, all or the requested ones."""
    wanted, listed = ids(parameters.text("asset")), listed_assets(exchange.renamed)
    chosen: list[Asset] = []
    for name in wanted:
        if ASSET_BY_NAME.get(name) not in listed:
            raise KrakenRefusal(errors.UNKNOWN_ASSET)
        chosen.append(ASSET_BY_NAME[name])
    return {
        asset.id: {
            "aclass": "currency",
            "altname": asset.altname,
            "decimals": asset.decimals,
            "display_decimals": asset.display_decimals,
            **({} if asset.collateral is None else {"collateral_value": asset.collateral}),
            "status": "enabled",
            **({} if asset.margin_rate is None else {"margin_rate": asset.margin_rate}),
        }
        for asset in (chosen or listed)
    }


def asset_pairs(exchange: Exchange, parameters: Parameters) -> object:
    """Return the pairs with their present rules. The fee lists are empty, as they are at the real venue since 2026."""
    if parameters.text("aclass_base") not in {"", "currency"}:
        return {}
    info = parameters.text("info") or "info"
    if info not in {"info", "leverage", "fees", "margin"}:
        raise bad_argument("info")
    return {
        pair.id: _pair_shape(pair, exchange, info)
        for _, pair in named_pairs(exchange, parameters)
        if exchange.rules.listed(pair.instrument.symbol)
    }


METHODS: Final[dict[str, Callable[[Exchange, Parameters], object]]] = {
    "Time": time,
    "SystemStatus": system_status,
    "Assets": assets,
    "AssetPairs": asset_pairs,
    "Ticker": ticker,
    "OHLC": ohlc,
    "Depth": depth,
    "Trades": trades,
    "Spread": spread,
}


def _pair_shape(pair: KrakenPair, exchange: Exchange, info: str) -> dict[str, object]:
    instrument: Instrument = exchange.rules.current(pair.instrument.symbol)
    shape: dict[str, object] = {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": ASSETS[instrument.base].id,
        "aclass_quote": "currency",
        "quote": ASSETS[instrument.quote].id,
        "lot": "unit",
        "cost_decimals": instrument.cost_decimals,
        "pair_decimals": instrument.price_decimals,
        "lot_decimals": instrument.lot_decimals,
        "lot_multiplier": 1,
        "leverage_buy": list(LEVERAGE.get(instrument.symbol, ())),
        "leverage_sell": list(LEVERAGE.get(instrument.symbol, ())),
        "fees": [],
        "fees_maker": [],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": _plain(instrument.order_min),
        "costmin": _plain(instrument.cost_min),
        "tick_size": _plain(instrument.tick),
        "status": str(instrument.status),
        "execution_venue": "international",
        "long_position_limit": 0,
        "short_position_limit": 0,
    }
    subsets = {
        "leverage": ("leverage_buy", "leverage_sell"),
        "fees": ("fees", "fees_maker", "fee_volume_currency"),
        "margin": ("margin_call", "margin_stop"),
    }
    return shape if info == "info" else {name: shape[name] for name in subsets[info]}


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"
