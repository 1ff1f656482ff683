"""Kraken's calls about money: balances, the margin summary, fees, ledgers."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.paper_exchange.core.instrument import ZERO
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.bounds import time_bound
from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.errors import KrakenRefusal, bad_argument
from services.paper_exchange.kraken.ledger_rows import ledger_rows
from services.paper_exchange.kraken.pairs import ASSET_BY_NAME, ASSETS, BY_NAME, FEES
from services.paper_exchange.kraken.shapes import Shape, amount_text, ids

PAGE: Final = 50
LEDGER_TYPES: Final = frozenset(
    {
        "all", "trade", "deposit", "withdrawal", "transfer", "margin", "adjustment", "rollover", "credit", "settled",
        "staking", "dividend", "sale", "nft_rebate", "conversion",
    }
)  # fmt: skip
"""What `type` may be (docs.kraken.com, Get Ledgers Info). That it may be `conversion`, as such entries are, is inferred."""


def balance(call: Call) -> object:
    """Return the totals by asset."""
    account = call.account
    return {_spelt(asset): amount_text(asset, account.shown(asset, call.now)) for asset in list(account.balances)}


def balance_ex(call: Call) -> object:
    """Return the totals and what open orders hold."""
    account = call.account
    return {
        _spelt(asset): {
            "balance": amount_text(asset, account.shown(asset, call.now)),
            "hold_trade": amount_text(asset, account.holds.get(asset, ZERO)),
        }
        for asset in list(account.balances)
    }


def _spelt(asset: str) -> str:
    """Return Kraken's name of an asset among balances: `XXBT`, `XBT.F` for a staked one, unchanged if no pair trades it."""
    if asset in ASSETS:
        return ASSETS[asset].id
    coin, dot, suffix = asset.partition(".")
    return f"{ASSETS[coin].altname}.{suffix}" if dot and coin in ASSETS else asset


def trade_balance(call: Call) -> object:
    """Return the margin summary; without margin it is the equity in the requested currency."""
    name = call.parameters.text("asset") or "ZUSD"
    if name not in ASSET_BY_NAME:
        raise KrakenRefusal(errors.UNKNOWN_ASSET)
    equity = sum((_value(call, asset, amount) for asset, amount in call.account.balances.items()), ZERO)
    quote = ASSET_BY_NAME[name].name
    if quote != "USD":
        equity /= _value(call, quote, Decimal(1)) or Decimal(1)
    zero = amount_text("USD", ZERO)
    text = f"{equity:.4f}"
    return {"eb": text, "tb": text, "m": zero, "uv": zero, "n": zero, "c": zero, "v": zero, "e": text, "mf": text}


def trade_volume(call: Call) -> object:
    """Return the 30-day volume and the fee tier, for each requested pair."""
    volume = call.account.volume.total(call.now)
    tier = FEES.tier(volume)
    above = FEES.next(tier)
    fees: Shape = {}
    makers: Shape = {}
    for name in ids(call.parameters.text("pair")):
        pair = BY_NAME.get(name)
        if pair is None or pair.instrument.symbol not in call.exchange.market.feeds:
            raise KrakenRefusal(errors.UNKNOWN_PAIR)
        for table, rate, least, most, following in (
            (fees, tier.taker, FEES.last.taker, FEES.first.taker, above.taker if above else None),
            (makers, tier.maker, FEES.last.maker, FEES.first.maker, above.maker if above else None),
        ):
            table[pair.id] = {
                "fee": f"{rate:.4f}",
                "minfee": f"{least:.4f}",
                "maxfee": f"{most:.4f}",
                "nextfee": None if following is None else f"{following:.4f}",
                "nextvolume": None if above is None else f"{above.volume:.4f}",
                "tiervolume": f"{tier.volume:.4f}",
            }
    result: Shape = {"currency": "ZUSD", "volume": f"{volume:.4f}"}
    if fees:
        result |= {"fees": fees, "fees_maker": makers}
    return result


def ledgers(call: Call) -> object:
    """Return ledger entries, newest first, 50 per page."""
    parameters = call.parameters
    names = [name for name in ids(parameters.text("asset")) if name != "all"]
    if any(name not in ASSET_BY_NAME for name in names):
        raise KrakenRefusal(errors.UNKNOWN_ASSET)
    assets = {ASSET_BY_NAME[name].id for name in names}
    kind = parameters.text("type") or "all"
    if kind not in LEDGER_TYPES:
        raise bad_argument("type")
    every = list(ledger_rows(call.account))
    times = {name: float(str(row["time"])) for name, row in every}
    start, end = time_bound(call, "start", 0.0, times), time_bound(call, "end", float("inf"), times)
    rows = [
        (name, row)
        for name, row in every
        if (not assets or row["asset"] in assets) and kind in {"all", row["type"]} and start < times[name] <= end
    ]
    rows.reverse()
    offset = max(0, parameters.integer("ofs"))
    result: Shape = {"ledger": dict(rows[offset : offset + PAGE])}
    if not parameters.flag("without_count"):
        result["count"] = len(rows)
    return result


def query_ledgers(call: Call) -> object:
    """Return ledger entries by id; unknown ids are left out."""
    known = dict(ledger_rows(call.account))
    return {name: known[name] for name in ids(call.parameters.need("id")) if name in known}


def _value(call: Call, asset: str, amount: Decimal) -> Decimal:
    """Return the value of an amount in USD."""
    if asset == "USD" or not amount:
        return amount
    symbol = f"{asset}/USD"
    return amount * call.exchange.market.last(symbol) if symbol in call.exchange.market.feeds else ZERO
