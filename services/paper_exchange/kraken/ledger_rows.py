"""The ledger of an account in Kraken's JSON: two entries per trade, one per transfer."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from services.paper_exchange.core.account import Account, Transfer
from services.paper_exchange.core.order import Trade
from services.paper_exchange.kraken.pairs import ASSETS
from services.paper_exchange.kraken.shapes import Shape, amount_text


def ledger_rows(account: Account) -> Iterator[tuple[str, Shape]]:
    """Iterate over the ledger entries with their ids, oldest first: two per trade, one per transfer."""
    for entry in account.entries:
        if isinstance(entry, Transfer):
            kind = "deposit" if entry.amount >= 0 else "withdrawal"
            yield (
                entry.id,
                _ledger(entry.id, entry.at, kind, entry.asset, entry.amount, Decimal(0), entry.balance_after),
            )
        else:
            yield from _trade_ledgers(entry)


def _trade_ledgers(trade: Trade) -> Iterator[tuple[str, Shape]]:
    instrument = trade.order.instrument
    if trade.order.ticket.leverage:
        row = _ledger(trade.id, trade.at, "margin", instrument.quote, Decimal(0), trade.fee, trade.quote_after)
        yield f"LL{trade.id[2:]}", row
        return
    sign = 1 if trade.order.side == "buy" else -1
    for prefix, asset, amount, balance in (
        ("L", instrument.quote, -sign * trade.cost, trade.quote_after),
        ("M", instrument.base, sign * trade.size, trade.base_after),
    ):
        fee = trade.fee if trade.fee_asset == asset else Decimal(0)
        yield f"L{prefix}{trade.id[2:]}", _ledger(trade.id, trade.at, "trade", asset, amount, fee, balance)


def _ledger(refid: str, at: float, kind: str, asset: str, amount: Decimal, fee: Decimal, balance: Decimal) -> Shape:
    return {
        "refid": refid,
        "time": round(at, 6),
        "type": kind,
        "subtype": "",
        "aclass": "currency",
        "asset": ASSETS[asset].id if asset in ASSETS else asset,
        "amount": amount_text(asset, amount),
        "fee": amount_text(asset, fee),
        "balance": amount_text(asset, balance),
    }
