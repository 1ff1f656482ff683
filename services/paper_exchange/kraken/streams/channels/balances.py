"""The `balances` channel: a snapshot of the balances, then each entry of the account's ledger as it is booked.

Fields: docs.kraken.com, spot-websocket-v2 *Balances*. The type tells a deposit, a withdrawal or a conversion from a trade
Ids are those of REST `Ledgers`, so that both can be compared.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from services.paper_exchange.core.account import Transfer
from services.paper_exchange.core.events import Change
from services.paper_exchange.core.order import Order, Trade
from services.paper_exchange.kraken.ledger_rows import trade_entries, transfer_kind
from services.paper_exchange.kraken.streams.channels.executions import BATCH, batches
from services.paper_exchange.kraken.streams.context import StreamContext
from services.paper_exchange.kraken.streams.tokens import Token
from services.paper_exchange.kraken.streams.wire import Shape, dump, micros
from services.paper_exchange.streaming.outbox import Outbox

CHANNEL: Final = "balances"
MAIN: Final[Shape] = {"wallet_type": "spot", "wallet_id": "main"}


class Balances:
    """One subscription."""

    channel = CHANNEL
    symbol = ""

    def __init__(self, context: StreamContext, outbox: Outbox, token: Token, *, snapshot: bool) -> None:
        self._context = context
        self._outbox = outbox
        self._token = token
        self._account = token.key.account
        self._snapshot = snapshot

    @property
    def result(self) -> Shape:
        """Return what the acknowledgement says of it."""
        return {"channel": CHANNEL, "snapshot": self._snapshot}

    @property
    def ended(self) -> Shape:
        """Return what the acknowledgement of its end says of it."""
        return {"channel": CHANNEL}

    def start(self) -> None:
        """Send the snapshot, then every ledger entry."""
        self._token.subscriptions += 1
        self._account.listeners.append(self)
        if self._snapshot:
            self._send_snapshot()

    def second(self) -> None:
        """Do nothing: it tells by itself."""

    def stop(self) -> None:
        """Stop listening."""
        self._account.listeners.remove(self)
        self._token.subscriptions -= 1

    def order_changed(self, order: Order, change: Change, trade: Trade | None) -> None:
        """Tell of the entries of a fill."""
        if trade is not None:
            self._update([
                {"ledger_id": entry.id, "ref_id": trade.id, "timestamp": micros(trade.at), "type": entry.kind}
                | {"asset": entry.asset, "asset_class": "currency", "category": entry.kind, **MAIN}
                | {"amount": entry.amount, "fee": entry.fee, "balance": entry.balance}
                for entry in trade_entries(trade)
            ])  # fmt: skip

    def funds_moved(self, transfer: Transfer) -> None:
        """Tell of a deposit, a withdrawal or a conversion."""
        kind = transfer_kind(transfer)
        self._update([
            {"ledger_id": transfer.id, "ref_id": transfer.id, "timestamp": micros(transfer.at), "type": kind}
            | {"asset": transfer.asset, "asset_class": "currency", "category": kind, **MAIN}
            | {"amount": transfer.amount, "fee": transfer.amount * 0, "balance": transfer.balance_after}
        ])  # fmt: skip

    def _update(self, rows: list[Shape]) -> None:
        self._outbox.update(CHANNEL, partial(_message, "update", rows))

    def _send_snapshot(self) -> None:
        now = self._context.clock.now()
        rows: list[Shape] = []
        for asset in sorted(self._account.balances):
            amount = self._account.shown(asset, now)
            wallet = {"type": "spot", "id": "main", "balance": amount}
            rows.append({"asset": asset, "asset_class": "currency", "balance": amount, "wallets": [wallet]})
        faults = self._context.faults
        divided = faults.armed and faults.effect("stream_snapshot_in_batches", self._account.user, CHANNEL) is not None
        for batch in batches(rows, BATCH) if divided else [rows]:
            self._outbox.numbered(partial(_message, "snapshot", batch))


def _message(kind: str, rows: list[Shape], sequence: int) -> str:
    return dump({"channel": CHANNEL, "type": kind, "data": rows, "sequence": sequence})
