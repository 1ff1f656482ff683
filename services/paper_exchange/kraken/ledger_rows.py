"""The ledger of an account in Kraken's JSON: two entries per trade, one per transfer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from services.paper_exchange.core.account import Account, Transfer
from services.paper_exchange.core.order import Trade
from services.paper_exchange.kraken.pairs import ASSETS
from services.paper_exchange.kraken.shapes import Shape, amount_text


def ledger_rows(account: Account) -> Iterator[tuple[str, Shape]]:
    """Iterate over the ledger entries with their ids, oldest first: two per trade, one per transfer."""
    for entry in account.entries:
        if isinstance(entry, Transfer):
            row = _ledger(
                entry.id, entry.at, transfer_kind(entry), entry.asset, entry.amount, Decimal(0), entry.balance_after
            )
            yield entry.id, row
        else:
            yield from _trade_ledgers(entry)


def transfer_kind(transfer: Transfer) -> str:
    """Return the type of a transfer's ledger entry."""
    return transfer.kind or ("deposit" if transfer.amount >= 0 else "withdrawal")


@dataclass(frozen=True, slots=True)
class TradeEntry:
    """One side of a trade in the ledger; `kind` is `margin` for one that moved no coins."""

    id: str
    kind: str
    asset: str
    amount: Decimal
    fee: Decimal
    balance: Decimal


def trade_entries(trade: Trade) -> list[TradeEntry]:
    """Return the ledger entries of a trade: quote and base, or the fee alone of one on margin."""
    instrument, zero = trade.order.instrument, Decimal(0)
    if trade.order.ticket.leverage:
        return [TradeEntry(f"LL{trade.id[2:]}", "margin", instrument.quote, zero, trade.fee, trade.quote_after)]
    sign = 1 if trade.order.side == "buy" else -1
    sides = (
        ("L", instrument.quote, -sign * trade.cost, trade.quote_after),
        ("M", instrument.base, sign * trade.size, trade.base_after),
    )
    return [
        TradeEntry(
            f"L{prefix}{trade.id[2:]}", "trade", asset, amount, trade.fee if trade.fee_asset == asset else zero, balance
        )
        for prefix, asset, amount, balance in sides
    ]


def _trade_ledgers(trade: Trade) -> Iterator[tuple[str, Shape]]:
    for entry in trade_entries(trade):
        yield (
            entry.id,
            _ledger(trade.id, trade.at, entry.kind, entry.asset, entry.amount, entry.fee, entry.balance),
        )


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
