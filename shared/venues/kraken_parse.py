"""Kraken's shapes into values: pairs, prices, candles, balances, orders.

Pure functions over decoded JSON. What cannot be read raises (`readable` turns that into Unavailable): a missing amount is
never zero and a balance that failed to parse is never an empty account.
Shapes: docs.kraken.com REST reference (Get Tradable Asset Pairs, Get Ticker, Get OHLC, Get Extended Balance, Get Closed Orders);
exchange reference 1.6 and 1.7.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from shared.domain.instrument import Instrument, PairStatus
from shared.domain.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.order import Side
from shared.domain.symbol import Symbol
from shared.venues.errors import Unavailable
from shared.venues.kraken_symbols import FEE_CREDITS, AssetNames, Pair, PairBook, is_tradable
from shared.venues.port import Balance, Candle, VenueOrder, VenueOrderStatus

_ENDED: Final = frozenset({"closed", "canceled", "expired"})
_STATUSES: Final = {str(status): status for status in PairStatus}


@contextmanager
def readable(method: str) -> Generator[None]:
    """Turn any surprise in the shape of an answer into Unavailable; its text names the method and nothing of the content."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unavailable(f"Kraken's answer to {method} could not be read ({type(error).__name__})") from None


def decimal(value: object) -> Decimal:
    """Read an amount, which Kraken writes as a text and sometimes as a number. Raises ValueError unless it is finite."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError("not an amount")
    amount = Decimal(value)
    if not amount.is_finite():
        raise ValueError("not a finite amount")
    return amount


def milliseconds(value: object) -> int:
    """Read Kraken's epoch seconds, which carry a fraction, as epoch ms."""
    return int(decimal(value) * 1000)


def asset_names(assets: Mapping[str, Any]) -> AssetNames:
    """Read the answer to Assets."""
    return AssetNames({asset: str(row["altname"]) for asset, row in assets.items()})


def pair_book(names: AssetNames, listed: Mapping[str, Any], *, as_of: int) -> PairBook:
    """Read the answer to AssetPairs, given at `as_of` (epoch ms).

    Pairs that are no spot pairs or whose facts make no sense are left out.
    """
    pairs = (_pair(names, pair_id, row, as_of) for pair_id, row in listed.items())
    return PairBook(names, [pair for pair in pairs if pair is not None])


def _pair(names: AssetNames, pair_id: str, row: Mapping[str, Any], as_of: int) -> Pair | None:
    altname = str(row["altname"])
    classes = {row.get("aclass_base", "currency"), row.get("aclass_quote", "currency")}
    if classes != {"currency"} or altname.endswith(".d"):  # .d is the dark pool of a pair
        return None
    try:
        instrument = Instrument(
            symbol=Symbol.parse(f"{names.plain(str(row['base']))}/{names.plain(str(row['quote']))}"),
            lot_step=_step(row["lot_decimals"]),
            tick=decimal(row["tick_size"]) if row.get("tick_size") else _step(row["pair_decimals"]),
            min_size=decimal(row["ordermin"]),
            min_cost=decimal(row.get("costmin") or 0),
            # A status that is not known yet is taken for the one that takes no new orders.
            status=_STATUSES.get(str(row.get("status", "online")), PairStatus.CANCEL_ONLY),
            as_of=as_of,
        )
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None
    if instrument.tick <= 0 or instrument.min_size <= 0 or instrument.min_cost < 0:
        return None
    return Pair(instrument, pair_id, altname, str(row.get("wsname", altname)))


def _step(decimals: object) -> Decimal:
    places = int(decimal(decimals))
    if not 0 <= places <= 18:
        raise ValueError("not a number of decimals")
    return ONE.scaleb(-places)


def prices(book: PairBook, ticker: Mapping[str, Any]) -> dict[Symbol, Price]:
    """Read the answer to Ticker: `c[0]`, the last trade. A dead pair says "0" or nothing and is left out."""
    found = {}
    for spelling, row in ticker.items():
        symbol, last = book.symbol(spelling), (row.get("c") or ["0"])[0]
        if symbol is not None and decimal(last) > 0:
            found[symbol] = Price(decimal(last), symbol)
    return found


def candles(result: Mapping[str, Any]) -> list[Candle]:
    """Read the answer to OHLC: the rows of its one key that is not `last`, whatever spelling it has.

    `last` is the id of the newest committed row; the row after it is still forming and is left out.
    """
    [rows] = [value for key, value in result.items() if key != "last"]
    if not rows:
        return []
    newest = int(decimal(result["last"])) if "last" in result else int(rows[-1][0]) - 1
    return [
        Candle(int(row[0]) * 1000, *(decimal(row[column]) for column in (1, 2, 3, 4, 6)))
        for row in rows
        if int(row[0]) <= newest
    ]


def balances(names: AssetNames, extended: Mapping[str, Any]) -> dict[str, Balance]:
    """Read the answer to BalanceEx. Free is balance + credit - credit_used - hold_trade; of a lent-out balance it is 0.

    Fee credits are left out: they are neither coin nor money.
    """
    found: dict[str, Balance] = {}
    for asset, row in extended.items():
        if asset == FEE_CREDITS:
            continue
        name, coin, total = names.plain(asset), names.coin(asset), decimal(row["balance"])
        credit = decimal(row.get("credit", 0)) - decimal(row.get("credit_used", 0))
        free = max(total + credit - decimal(row.get("hold_trade", 0)), ZERO) if is_tradable(asset) else ZERO
        before = found.get(name, Balance(name, ZERO, ZERO))  # two ids of one asset add up
        found[name] = Balance(name, before.total + total, before.free + free, "" if coin == name else coin)
    return found


def order(book: PairBook, venue_order_id: str, row: Mapping[str, Any]) -> VenueOrder | None:
    """Read an order of OpenOrders, ClosedOrders or QueryOrders; None if its pair is not listed any more.

    Kraken's words for the status say nothing about fills (a cancelled order may have filled in part), so only `vol_exec` counts.
    A status that is not known leaves the order open: it is asked for again rather than believed to be over.
    """
    symbol = book.symbol(str(row["descr"]["pair"]))
    if symbol is None:
        return None
    ended = str(row["status"]) in _ENDED
    flags = str(row.get("oflags") or "").split(",")
    return VenueOrder(
        venue_order_id=venue_order_id,
        client_order_id=str(row.get("cl_ord_id") or ""),
        symbol=symbol,
        side=Side(row["descr"]["type"]),
        status=VenueOrderStatus.DONE if ended else VenueOrderStatus.OPEN,
        filled=Quantity(decimal(row["vol_exec"]), symbol.base),
        cost=Money(decimal(row["cost"]), symbol.quote),
        fee=decimal(row["fee"]),
        fee_asset=symbol.base if "fcib" in flags else symbol.quote,
        opened_at=milliseconds(row["opentm"]),
        closed_at=milliseconds(row["closetm"]) if row.get("closetm") else None,
        reason=str(row.get("reason") or ""),
    )


def accepted_id(result: object) -> str | None:
    """Find the order's id in the answer to AddOrder, `{"txid": ["O..."]}`; None when it names none."""
    listed = result.get("txid") if isinstance(result, Mapping) else None
    if isinstance(listed, str):
        listed = [listed]
    if isinstance(listed, Sequence) and len(listed) == 1 and isinstance(listed[0], str) and listed[0]:
        return listed[0]
    return None


def taker_fee(result: Mapping[str, Any]) -> Decimal | None:
    """Read the one fee, a percentage, in an answer to TradeVolume for one pair; None when it lists none."""
    rows = list((result.get("fees") or {}).values())
    return decimal(rows[0]["fee"]) / 100 if len(rows) == 1 else None
