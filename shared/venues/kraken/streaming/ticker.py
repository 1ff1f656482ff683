"""Kraken's `ticker` channel (WebSocket v2): the last trade of each pair, for `streaming/ticker.py`.

Pairs are named as Shoal names them (`BTC/USD`). A subscription is acknowledged, or refused, pair by pair. Source: KRAKEN.md, K38.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from shared.domain.values.symbol import Symbol
from shared.venues.answers import UNREADABLE, decimal, instant
from shared.venues.errors import Unavailable
from shared.venues.kraken.public import KrakenPublic
from shared.venues.streaming.ticker_protocol import Heard, SubscriptionRefused, Tick


class KrakenTicker:
    """The `TickerProtocol` of Kraken."""

    def __init__(self, public: KrakenPublic) -> None:
        self._public = public

    async def names(self, symbols: Collection[Symbol]) -> Mapping[str, frozenset[Symbol]]:
        """Return the names of the listed pairs among these."""
        book = await self._public.names()
        return {str(symbol): frozenset({symbol}) for symbol in symbols if symbol in book.instruments}

    def opening(self) -> Sequence[Mapping[str, object]]:
        """Return nothing: heartbeats come by themselves while something is subscribed."""
        return ()

    def change(self, names: Sequence[str], *, on: bool) -> Mapping[str, object]:
        """Return a (un)subscription; with the price of now, and rows for each trade, not for each change of the best quotes."""
        params: dict[str, object] = {"channel": "ticker", "symbol": list(names), "event_trigger": "trades"}
        if on:
            return {"method": "subscribe", "params": params | {"snapshot": True}}
        return {"method": "unsubscribe", "params": params}

    def reader(self) -> KrakenTickerReader:
        """Return the reader of a new connection."""
        return KrakenTickerReader()


class KrakenTickerReader:
    """Reads the messages of one connection. The channel has no sequence numbers: a lost row cannot be seen here."""

    def read(self, message: Mapping[str, Any]) -> Heard:
        """Read a message. Raises Unavailable for an error of the whole connection and for a row without a pair."""
        if message.get("channel") == "ticker":
            try:
                return _ticks(message)
            except UNREADABLE as error:
                raise Unavailable(f"Kraken's ticker could not be read ({type(error).__name__})") from None
        if message.get("success") is False:
            return _refusal(message)
        if "channel" not in message and "method" not in message:
            raise Unavailable("Kraken reports an error")  # {"Error": "Exceeded msg rate"}
        return Heard()


def _ticks(message: Mapping[str, Any]) -> Heard:
    ticks, made_at = [], None
    for row in message["data"]:
        name = row["symbol"]
        if not isinstance(name, str):
            raise TypeError("not a name")
        ticks.append(Tick(name, _last(row)))
        if message.get("type") == "update" and "timestamp" in row:
            made_at = max(made_at or 0, instant(row["timestamp"]))
    return Heard(ticks, made_at=made_at)


def _last(row: Mapping[str, Any]) -> Decimal | None:
    """Return the price of the last trade; a pair without trades has 0 or nothing, and no price, as in the answer to Ticker."""
    try:
        price = decimal(row["last"])
    except UNREADABLE:
        return None
    return price if price > 0 else None


def _refusal(message: Mapping[str, Any]) -> Heard:
    """Read a refused subscription; one that names no pair leaves open which are meant. An end that was refused harms nothing."""
    if message.get("method") == "unsubscribe":
        return Heard()
    name = message.get("symbol")
    if not isinstance(name, str):
        raise SubscriptionRefused("Kraken refused a subscription")
    return Heard(refused=[name])
