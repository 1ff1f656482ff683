"""The `executions` channel: what becomes of the orders of one account, told as it happens.

Fills of one event are rows of one message, as at the venue; every other change is a message of its own. Nothing waits for the
market loop: rows leave in the turn of the event loop in which the core makes them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import isfinite
from typing import Final

from services.paper_exchange.core.account import Transfer
from services.paper_exchange.core.events import Change
from services.paper_exchange.core.order import Order, Trade
from services.paper_exchange.kraken.counters import TIERS
from services.paper_exchange.kraken.streams.channels.execution_rows import ExecutionRows, snapshot_type
from services.paper_exchange.kraken.streams.context import StreamContext
from services.paper_exchange.kraken.streams.tokens import Token
from services.paper_exchange.kraken.streams.wire import Shape, dump
from services.paper_exchange.streaming.outbox import Outbox

CHANNEL: Final = "executions"
SNAPSHOT_TRADES: Final = 50
BATCH: Final = 2
"""Rows per message of a snapshot that a fault divides."""
OPEN_AND_CLOSE: Final = frozenset({Change.ENTERED, Change.ENDED})
WARNINGS: Final = (
    "cancel_reason is deprecated, use reason",
    "stop_price is deprecated, use triggers.price",
    "trigger is deprecated use triggers.reference",
    "triggered_price is deprecated use triggers.last_price",
)


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """What a subscription asks for, with the venue's defaults."""

    snap_orders: bool = True
    snap_trades: bool = False
    order_status: bool = True
    ratecounter: bool = False


class Executions:
    """One subscription."""

    channel = CHANNEL
    symbol = ""

    def __init__(self, context: StreamContext, outbox: Outbox, token: Token, options: ExecutionOptions) -> None:
        self._context = context
        self._outbox = outbox
        self._token = token
        self._account = token.key.account
        self._options = options
        self._rows = ExecutionRows(context)
        self._trades: list[Shape] = []

    @property
    def result(self) -> Shape:
        """Return what the acknowledgement says of it. `maxratecount` names the tier."""
        most = TIERS[self._token.key.tier].trading_max
        options = self._options
        return {
            "channel": CHANNEL,
            "maxratecount": int(most if isfinite(most) else TIERS["pro"].trading_max),
            "snap_orders": options.snap_orders,
            "snap_trades": options.snap_trades,
            "snapshot": options.snap_orders or options.snap_trades,
            "warnings": list(WARNINGS),
        }

    @property
    def ended(self) -> Shape:
        """Return what the acknowledgement of its end says of it."""
        return {"channel": CHANNEL}

    def start(self) -> None:
        """Send the snapshot, then everything that happens."""
        self._token.subscriptions += 1
        self._account.listeners.append(self)
        options = self._options
        if options.snap_orders or options.snap_trades:
            self._send_snapshot()

    def second(self) -> None:
        """Do nothing: it tells by itself."""

    def stop(self) -> None:
        """Stop listening."""
        self._account.listeners.remove(self)
        self._token.subscriptions -= 1
        self._trades.clear()

    def order_changed(self, order: Order, change: Change, trade: Trade | None) -> None:
        """Tell of a change of an order."""
        if trade is not None:
            if self._options.order_status:
                self._add_trade(trade)
            return
        self._flush()
        if self._options.order_status:
            row = self._rows.changed(order, change)
        elif change is Change.ENTERED:
            row = self._rows.opening(order, "new")  # the first that is seen of it
        elif change is Change.ENDED:
            row = self._rows.ended(order)
        else:
            return
        self._update([self._counted(row, order)])

    def funds_moved(self, transfer: Transfer) -> None:
        """Do nothing: that is the channel `balances`."""

    def _add_trade(self, trade: Trade) -> None:
        order = trade.order
        filled = order.remaining <= 0
        if filled and self._struck("stream_trade_partially_filled", order):
            filled = False
        row = self._rows.trade(trade, filled=filled)
        if order.ticket.client_id and self._struck("stream_trade_without_client_id", order):
            del row["cl_ord_id"]
            row["order_userref"] = 0
        self._trades.append(self._counted(row, order))
        if len(self._trades) == 1:
            asyncio.get_running_loop().call_soon(self._flush)  # if nothing else of the order follows at once

    def _struck(self, fault: str, order: Order) -> bool:
        faults = self._context.faults
        symbol = order.instrument.symbol
        return faults.armed and faults.effect(fault, self._account.user, CHANNEL, symbol) is not None

    def _counted(self, row: Shape, order: Order) -> Shape:
        counters = self._context.counters
        if self._options.ratecounter and counters is not None:
            name = (self._account.user, self._account.venue, order.instrument.symbol)
            decay = TIERS[self._token.key.tier].trading_decay
            row["ratecount"] = round(counters.value(name, self._context.clock.now(), decay))
        return row

    def _flush(self) -> None:
        if self._trades:
            rows, self._trades = self._trades, []
            self._update(rows)

    def _update(self, rows: list[Shape]) -> None:
        self._outbox.update(CHANNEL, partial(_message, "update", rows))

    def _send_snapshot(self) -> None:
        rows: list[Shape] = []
        if self._options.snap_orders:
            orders = self._account.open_orders.values()
            rows += [self._rows.opening(order, snapshot_type(order)) for order in orders]
        if self._options.snap_trades:
            latest = islice(reversed(self._account.trades), SNAPSHOT_TRADES)
            rows += [self._rows.trade(trade, filled=trade is trade.order.trades[-1]) for trade in latest]
        faults = self._context.faults
        divided = faults.armed and faults.effect("stream_snapshot_in_batches", self._account.user, CHANNEL) is not None
        for batch in batches(rows, BATCH) if divided else [rows]:
            self._outbox.numbered(partial(_message, "snapshot", batch))


def batches(rows: list[Shape], size: int) -> list[list[Shape]]:
    """Divide rows into lists of this size; one empty list if there are none."""
    return [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]


def _message(kind: str, rows: list[Shape], sequence: int) -> str:
    return dump({"channel": CHANNEL, "type": kind, "data": rows, "sequence": sequence})
