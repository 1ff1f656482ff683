"""The `instrument` channel: the assets and pairs with their present rules; a change is told within a second.

Fields: recorded messages (KRAKEN.md, K31). An update carries what has changed; a pair that is gone has the status `delisted`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.paper_exchange.kraken.pairs import BY_SYMBOL, LEVERAGE, Asset, listed_assets
from services.paper_exchange.kraken.streams.context import StreamContext
from services.paper_exchange.kraken.streams.wire import Shape, dump
from services.paper_exchange.streaming.outbox import Outbox

POSITION_LIMIT: Final = 250


class Instruments:
    """One subscription."""

    channel = "instrument"
    symbol = ""

    def __init__(self, context: StreamContext, outbox: Outbox, *, snapshot: bool) -> None:
        self._context = context
        self._outbox = outbox
        self._snapshot = snapshot
        self._assets: dict[str, Shape] = {}
        self._pairs: dict[str, Shape] = {}

    @property
    def result(self) -> Shape:
        """Return what the acknowledgement says of it."""
        warnings = ["tick_size is deprecated, use price_increment"]
        return {"channel": self.channel, "snapshot": self._snapshot, "warnings": warnings}

    @property
    def ended(self) -> Shape:
        """Return what the acknowledgement of its end says of it."""
        return {"channel": self.channel}

    def start(self) -> None:
        """Send the snapshot, then changes."""
        assets, pairs = self._changes()
        if self._snapshot:
            self._outbox.reply(self._message("snapshot", assets, pairs))

    def second(self) -> None:
        """Tell what has changed since the last time."""
        assets, pairs = self._changes()
        if assets or pairs:
            self._outbox.unnumbered(self.channel, self._message("update", assets, pairs))

    def stop(self) -> None:
        """Do nothing: it listens to nothing."""

    def _changes(self) -> tuple[list[Shape], list[Shape]]:
        exchange = self._context.exchange
        assets = {asset.name: _asset(asset) for asset in listed_assets(exchange.renamed)}
        listed = [symbol for symbol in exchange.market.feeds if exchange.rules.listed(symbol)]
        pairs = {symbol: self._pair(symbol) for symbol in listed if symbol in BY_SYMBOL}
        gone = [{**row, "status": "delisted"} for symbol, row in self._pairs.items() if symbol not in pairs]
        changed = (
            [row for name, row in assets.items() if self._assets.get(name) != row],
            [row for symbol, row in pairs.items() if self._pairs.get(symbol) != row] + gone,
        )
        self._assets, self._pairs = assets, pairs
        return changed

    def _pair(self, symbol: str) -> Shape:
        instrument = self._context.exchange.rules.current(symbol)
        row: Shape = {
            "symbol": symbol,
            "base": instrument.base,
            "quote": instrument.quote,
            "status": str(instrument.status),
            "qty_precision": instrument.lot_decimals,
            "qty_increment": instrument.lot,
            "price_precision": instrument.price_decimals,
            "cost_precision": instrument.cost_decimals,
            "marginable": symbol in LEVERAGE,
            "has_index": True,
            "cost_min": instrument.cost_min,
        }
        if symbol in LEVERAGE:
            limits = {"position_limit_long": POSITION_LIMIT, "position_limit_short": POSITION_LIMIT}
            row |= {"margin_initial": Decimal("0.2"), **limits}
        return row | {
            "tick_size": instrument.tick,
            "price_increment": instrument.tick,
            "qty_min": instrument.order_min,
        }

    def _message(self, kind: str, assets: list[Shape], pairs: list[Shape]) -> str:
        return dump({"channel": self.channel, "type": kind, "data": {"assets": assets, "pairs": pairs}})


def _asset(asset: Asset) -> Shape:
    return {
        "id": asset.name,
        "status": "enabled",
        "precision": asset.decimals,
        "precision_display": asset.display_decimals,
        "borrowable": True,
        "collateral_value": Decimal(1),
        "class": "currency",
        "margin_rate": Decimal("0.02"),
    }
