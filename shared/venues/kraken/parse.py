"""Parses Kraken's answers: pairs, prices, candles, balances, orders.

Pure functions over decoded JSON. An answer that cannot be read raises (`readable` turns that into Unavailable); one row of many
that cannot be read is left out and reported, so that the others are read. A missing amount is never zero, a balance that failed
to parse is never an empty account, and an unreadable row never counts as a missing one.
Shapes: docs.kraken.com REST reference (Get Tradable Asset Pairs, Get Ticker, Get OHLC, Get Extended Balance, Get Closed Orders);
KRAKEN.md, K11, K14 and K20 to K26.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from shared.domain.order import Side
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues import answers
from shared.venues.answers import UNREADABLE, decimal
from shared.venues.errors import presentable
from shared.venues.kraken.symbols import FEE_CREDITS, AssetNames, Pair, PairBook, is_tradable
from shared.venues.port import Candle
from shared.venues.rows import (
    Balance,
    Balances,
    OmittedRow,
    OrderList,
    RowReason,
    TradeKind,
    VenueOrder,
    VenueOrderStatus,
)

_ENDED: Final = frozenset({"closed", "canceled", "expired"})
_LATEST: Final = 10**14
"""Epoch ms of the year 5138."""
_ID: Final = re.compile(r"[!-~]{1,64}")
_STATUSES: Final = {str(status): status for status in PairStatus}
_NO_LEVERAGE: Final = frozenset({"", "none", "0", "1", "1:1", "0:1"})
_SETTLE: Final = "settle-position"


@contextmanager
def readable(method: str) -> Generator[None]:
    """Raise Unavailable for any unexpected shape of an answer; its text names the method and nothing of the content."""
    with answers.readable(f"Kraken's answer to {method}"):
        yield


def milliseconds(value: object) -> int:
    """Parse Kraken's epoch seconds, which have a fraction, to epoch ms."""
    instant = int(decimal(value) * 1000)
    if not 0 <= instant < _LATEST:
        raise ValueError("not an instant")
    return instant


def venue_id(value: str) -> str:
    """Return an id of the venue if it is well-formed: it goes into records, log lines and further requests."""
    if not _ID.fullmatch(value):
        raise ValueError("not an id")
    return value


def quantity(value: object) -> Decimal:
    """Parse an amount that cannot be negative, such as the executed size."""
    amount = decimal(value)
    if amount < 0:
        raise ValueError("below zero")
    return amount


def asset_names(assets: Mapping[str, Any]) -> AssetNames:
    """Parse the answer to Assets; an asset that cannot be read keeps Kraken's own name."""
    found = {}
    for asset, row in assets.items():
        try:
            found[asset] = str(row["altname"])
        except UNREADABLE:
            continue
    return AssetNames(found)


def pair_book(names: AssetNames, listed: Mapping[str, Any], *, as_of: int) -> PairBook:
    """Parse the answer to AssetPairs of `as_of` (epoch ms).

    Pairs that are not spot pairs or have impossible values are left out, with the reason in `PairBook.left_out`.
    """
    pairs: list[Pair] = []
    left_out: dict[str, tuple[RowReason, str]] = {}
    for pair_id, row in listed.items():
        read = _pair(names, pair_id, row, as_of)
        if isinstance(read, Pair):
            pairs.append(read)
        else:
            left_out |= dict.fromkeys(_spellings(pair_id, row), read)
    return PairBook(names, pairs, left_out)


def _spellings(pair_id: str, row: Any) -> set[str]:
    named = row if isinstance(row, Mapping) else {}
    return {pair_id, *(str(named[name]) for name in ("altname", "wsname") if named.get(name))}


def _pair(names: AssetNames, pair_id: str, row: Any, as_of: int) -> Pair | tuple[RowReason, str]:
    try:
        altname = str(row["altname"])
        classes = {str(row.get("aclass_base", "currency")), str(row.get("aclass_quote", "currency"))}
        if classes != {"currency"}:
            return RowReason.NOT_A_CURRENCY, f"{altname} is of the class {', '.join(sorted(classes - {'currency'}))}"
        if altname.endswith(".d"):
            return RowReason.UNUSABLE_PAIR, f"{altname} is a dark pool"
        instrument = Instrument(
            symbol=Symbol.parse(f"{names.plain(str(row['base']))}/{names.plain(str(row['quote']))}"),
            lot_step=_step(row["lot_decimals"]),
            tick=decimal(row["tick_size"]) if row.get("tick_size") else _step(row["pair_decimals"]),
            min_size=decimal(row["ordermin"]),
            min_cost=decimal(row.get("costmin") or 0),
            # An unknown status counts as the one that accepts no new orders.
            status=_STATUSES.get(str(row.get("status", "online")), PairStatus.CANCEL_ONLY),
            as_of=as_of,
        )
        wsname = str(row.get("wsname", altname))
    except UNREADABLE as error:
        return RowReason.UNUSABLE_PAIR, f"the listing of {pair_id} cannot be read ({type(error).__name__})"
    if instrument.tick <= 0 or instrument.min_size <= 0 or instrument.min_cost < 0:
        return RowReason.UNUSABLE_PAIR, f"the listing of {pair_id} has impossible values"
    return Pair(instrument, pair_id, altname, wsname)


def _step(decimals: object) -> Decimal:
    places = int(decimal(decimals))
    if not 0 <= places <= 18:
        raise ValueError("not a number of decimals")
    return ONE.scaleb(-places)


def prices(book: PairBook, ticker: Mapping[str, Any]) -> dict[Symbol, Price]:
    """Parse the answer to Ticker: `c[0]`, the last trade.

    A pair without trades has "0" or nothing and is left out, and so is a row that cannot be read: neither has a price.
    """
    found = {}
    for spelling, row in ticker.items():
        symbol = book.symbol(spelling)
        if symbol is None:
            continue
        try:
            last = decimal((row.get("c") or ["0"])[0])
        except UNREADABLE:
            continue
        if last > 0:
            found[symbol] = Price(last, symbol)
    return found


def candles(result: Mapping[str, Any]) -> list[Candle]:
    """Parse the answer to OHLC: the rows of its one key that is not `last`, however the pair is spelt there.

    `last` is the id of the newest committed row; the row after it is still forming and is left out.
    """
    [rows] = [value for key, value in result.items() if key != "last"]
    if not rows:
        return []
    newest = int(decimal(result["last"])) if "last" in result else int(rows[-1][0]) - 1
    bars = (_candle(row, newest) for row in rows)
    return [bar for bar in bars if bar is not None]


def _candle(row: Any, newest: int) -> Candle | None:
    """Parse one row; None for the one that is forming and for one that cannot be read: strategies then see a gap."""
    try:
        bar = Candle(int(row[0]) * 1000, *(decimal(row[column]) for column in (1, 2, 3, 4, 6)))
    except UNREADABLE:
        return None
    return bar if bar.opened_at <= newest * 1000 else None


def balances(names: AssetNames, extended: Mapping[str, Any]) -> Balances:
    """Parse the answer to BalanceEx. Free is balance + credit - credit_used - hold_trade; of a lent-out balance it is 0.

    An asset with a row that cannot be read is unknown, not zero. Raises if there are rows and none of them can be read.
    Fee credits are left out: they are neither a coin nor a currency.
    """
    found: dict[str, Balance] = {}
    unreadable = set()
    for asset, row in extended.items():
        if asset == FEE_CREDITS:
            continue
        name, coin = names.plain(asset), names.coin(asset)
        try:
            total = decimal(row["balance"])
            credit = decimal(row.get("credit", 0)) - decimal(row.get("credit_used", 0))
            free = max(total + credit - decimal(row.get("hold_trade", 0)), ZERO) if is_tradable(asset) else ZERO
        except UNREADABLE:
            unreadable.add(name)
            continue
        before = found.get(name, Balance(name, ZERO, ZERO))  # two ids of one asset add up
        found[name] = Balance(name, before.total + total, before.free + free, "" if coin == name else coin)
    if unreadable and not found:
        raise ValueError("no balance can be read")
    return Balances(found, unreadable)


def order(book: PairBook, venue_order_id: str, row: Mapping[str, Any]) -> VenueOrder | OmittedRow:
    """Parse an order of OpenOrders, ClosedOrders or QueryOrders; a OmittedRow if its pair is not a listed spot pair.

    Kraken's status says nothing about fills (a cancelled order may have filled in part), so only `vol_exec` counts.
    An unknown status leaves the order open: it is queried again rather than assumed to have ended.
    """
    pair = str(row["descr"]["pair"])
    symbol = book.symbol(pair)
    if symbol is None:
        unlisted = (RowReason.UNKNOWN_PAIR, f"the pair {pair} is not in the list of pairs")
        reason, detail = book.left_out.get(pair, unlisted)
        return OmittedRow(venue_order_id, reason, detail, _client_id(row), _ended_at(row), pair)
    ended = str(row["status"]) in _ENDED
    flags = str(row.get("oflags") or "").split(",")
    trade = _trade_kind(row["descr"], flags)
    size, limit, rests = _terms(row, symbol, trade)
    return VenueOrder(
        venue_order_id=venue_id(venue_order_id),
        client_order_id=str(row.get("cl_ord_id") or ""),
        symbol=symbol,
        side=Side(row["descr"]["type"]),
        status=VenueOrderStatus.DONE if ended else VenueOrderStatus.OPEN,
        filled=Quantity(quantity(row["vol_exec"]), symbol.base),
        cost=Money(quantity(row["cost"]), symbol.quote),
        fee=decimal(row["fee"]),
        fee_asset=symbol.base if "fcib" in flags else symbol.quote,
        opened_at=milliseconds(row["opentm"]),
        closed_at=milliseconds(row["closetm"]) if row.get("closetm") else None,
        reason=presentable(str(row.get("reason") or "")),
        trade=trade,
        size=size,
        limit_price=limit,
        rests=rests,
        post_only="post" in flags,
    )


def _terms(row: Mapping[str, Any], symbol: Symbol, trade: TradeKind) -> tuple[Quantity | None, Price | None, bool]:
    """Return what was asked for: size, limit, and whether it rests. What cannot be read is not known: it hides no fill.

    No field says how long an order is in force: an open plain limit order without an end of its own rests (K39).
    """
    try:
        described = row["descr"]
        if trade is not TradeKind.SPOT:
            return None, None, False
        size = Quantity(quantity(row["vol"]), symbol.base)
        if described["ordertype"] != "limit":
            return size, None, False
        limit = Price(decimal(described["price"]), symbol)
        timed = any(decimal(row.get(name) or 0) for name in ("starttm", "expiretm"))
    except UNREADABLE:
        return None, None, False
    return size, limit, not timed


def orders(book: PairBook, rows: Mapping[str, Any]) -> OrderList:
    """Parse the rows of a list of orders, in their sequence; each that cannot be read is left out and reported."""
    found, left_out = [], []
    for txid, row in rows.items():
        try:
            read = order(book, txid, row)
        except UNREADABLE as error:
            words = f"{type(error).__name__} in the row of order {txid}"
            read = OmittedRow(txid, RowReason.UNREADABLE, words, _client_id(row), _ended_at(row))
        if isinstance(read, OmittedRow):
            left_out.append(read)
        else:
            found.append(read)
    return OrderList(found, left_out)


def _trade_kind(described: Mapping[str, Any], flags: Sequence[str]) -> TradeKind:
    """Return the kind of trade of an order. Leverage is "none" or "2:1" (docs.kraken.com, Get Closed Orders)."""
    if str(described.get("ordertype") or "") == _SETTLE:
        return TradeKind.SETTLEMENT
    if str(described.get("leverage") or "").strip().lower() not in _NO_LEVERAGE:
        return TradeKind.MARGIN
    return TradeKind.SIZED_IN_QUOTE if "viqc" in flags else TradeKind.SPOT


def _client_id(row: Any) -> str | None:
    """Return the client id of a row of any shape; None if the row may be of any order."""
    if not isinstance(row, Mapping):
        return None
    found = row.get("cl_ord_id")
    return found if isinstance(found, str) else "" if found is None else None


def _ended_at(row: Any) -> int | None:
    try:
        return milliseconds(row["closetm"])
    except UNREADABLE:
        return None


def accepted_id(result: object) -> str | None:
    """Return the order's id in the answer to AddOrder, `{"txid": ["O..."]}`; None when it has none."""
    listed = result.get("txid") if isinstance(result, Mapping) else None
    if isinstance(listed, str):
        listed = [listed]
    if isinstance(listed, Sequence) and len(listed) == 1 and isinstance(listed[0], str) and _ID.fullmatch(listed[0]):
        return listed[0]
    return None


def taker_fee(result: Mapping[str, Any]) -> Decimal | None:
    """Return the fee, as a fraction, of an answer to TradeVolume for one pair (in per cent there); None when it lists none."""
    rows = list((result.get("fees") or {}).values())
    return decimal(rows[0]["fee"]) / 100 if len(rows) == 1 else None
