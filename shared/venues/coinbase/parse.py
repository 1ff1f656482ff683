"""Coinbase's products, prices, candles and wallets as values of the port; orders and fills are in `order_rows.py`.

Numbers are texts. One row that cannot be read leaves the others readable, and a missing amount is never zero.
Sources: COINBASE.md, C11 and C16 to C18.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues import answers
from shared.venues.answers import UNREADABLE, decimal
from shared.venues.port import Candle
from shared.venues.rows import Balance, Balances

_LATEST: Final = 10**14
"""Epoch ms of the year 5138."""
SPOT: Final = frozenset({"SPOT", "UNKNOWN_PRODUCT_TYPE", ""})


@contextmanager
def readable(method: str) -> Generator[None]:
    """Raise Unavailable for any unexpected shape of an answer; its text names the call and nothing of the content."""
    with answers.readable(f"Coinbase's answer to {method}"):
        yield


def milliseconds(text: str) -> int:
    """Parse epoch milliseconds (C6). Raises ValueError for what is no instant."""
    at = int(decimal(text))
    if not 0 <= at < _LATEST:
        raise ValueError("not an instant")
    return at


def instruments(rows: Iterable[Mapping[str, Any]], as_of: int) -> tuple[dict[Symbol, Instrument], dict[str, str]]:
    """Return the spot products, and why others cannot be used, by id. A product of another type is in neither."""
    found: dict[Symbol, Instrument] = {}
    unusable: dict[str, str] = {}
    for row in rows:
        try:
            if str(row.get("product_type", "")) not in SPOT:
                continue
            each = _instrument(row, as_of)
        except UNREADABLE as error:
            unusable[str(row.get("product_id") if isinstance(row, dict) else "a row")[:64]] = type(error).__name__
        else:
            found[each.symbol] = each
    return found, unusable


def aliases(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the ids of products that have another one's book, to the id of that one, whichever of both names the other (C16)."""
    found: dict[str, str] = {}
    for row in rows:
        if not isinstance(row, Mapping) or not isinstance(product := row.get("product_id"), str):
            continue
        if isinstance(book := row.get("alias"), str) and book:
            found[product] = book
        for alias in row.get("alias_to") or ():
            if isinstance(alias, str):
                found[alias] = product
    return found


def with_aliases(rows: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the ids of products whose book other products share, however these are spelt in the list (C16)."""
    found: set[str] = set()
    for row in rows:
        if isinstance(row, Mapping):
            if row.get("alias_to"):
                found.add(str(row.get("product_id")))
            if row.get("alias"):
                found.add(str(row["alias"]))
    return frozenset(found)


def _instrument(row: Mapping[str, Any], as_of: int) -> Instrument:
    steps = {
        name: decimal(row[name]) for name in ("base_increment", "price_increment", "base_min_size", "quote_min_size")
    }
    if min(steps.values()) < 0 or 0 in {steps["base_increment"], steps["price_increment"]}:
        raise ValueError("a step is not above zero")
    return Instrument(
        symbol=symbol_of(row["product_id"]),
        lot_step=steps["base_increment"],
        tick=steps["price_increment"],
        min_size=steps["base_min_size"],
        min_cost=steps["quote_min_size"],
        status=_status(row),
        as_of=as_of,
    )


def _status(row: Mapping[str, Any]) -> PairStatus:
    stopped = ("is_disabled", "trading_disabled", "view_only", "auction_mode", "cancel_only")
    if any(row.get(flag) is True for flag in stopped) or str(row.get("status", "online")).lower() not in {"online", ""}:
        return PairStatus.CANCEL_ONLY
    if row.get("post_only") is True:
        return PairStatus.POST_ONLY
    return PairStatus.LIMIT_ONLY if row.get("limit_only") is True else PairStatus.ONLINE


def symbol_of(product_id: str) -> Symbol:
    """Return the symbol of a product id such as `BTC-USD`. Raises ValueError."""
    return Symbol.parse(product_id.replace("-", "/"))  # a future has more than one dash


def prices(rows: Iterable[Mapping[str, Any]]) -> dict[Symbol, Price]:
    """Return the prices of the last trades; a product without one is left out."""
    found = {}
    for row in rows:
        try:
            symbol, amount = symbol_of(row["product_id"]), decimal(row["price"])
        except UNREADABLE:
            continue  # a product that has never traded has an empty price
        if amount > 0:
            found[symbol] = Price(amount, symbol)
    return found


def candles(rows: Iterable[Mapping[str, Any]], *, seconds: int, now: int) -> list[Candle]:
    """Return committed candles, oldest first; the newest row is left out unless its time is over at `now` (epoch ms)."""
    found = [bar for row in rows if (bar := _candle(row)) is not None]
    found.sort(key=lambda each: each.opened_at)
    if found and found[-1].opened_at + seconds * 1000 > now:
        found.pop()
    return found


def _candle(row: Mapping[str, Any]) -> Candle | None:
    """Parse one row; None for one that cannot be read: strategies then see a gap."""
    try:
        open_, high, low, close, volume = (decimal(row[name]) for name in ("open", "high", "low", "close", "volume"))
        return Candle(int(decimal(row["start"])) * 1000, open_, high, low, close, volume)
    except UNREADABLE:
        return None


def balances(rows: Iterable[Mapping[str, Any]]) -> Balances:
    """Return the wallets by currency: what is owned, and what is not held by orders.

    One that is not ready, and a vault, have nothing free.
    """
    found: dict[str, Balance] = {}
    unreadable = set()
    for row in rows:
        asset = str(row["currency"])
        try:
            free, held = decimal(row["available_balance"]["value"]), decimal((row.get("hold") or {}).get("value", "0"))
        except UNREADABLE:
            unreadable.add(asset)
            continue
        usable = row.get("active") is not False and row.get("ready") is not False and not _is_vault(row)
        before = found.get(asset, Balance(asset, Decimal(0), Decimal(0)))
        found[asset] = Balance(asset, before.total + free + held, before.free + (free if usable else 0))
    return Balances(found, unreadable)


def _is_vault(row: Mapping[str, Any]) -> bool:
    return str(row.get("type") or "").endswith("VAULT")


def taker_fee(summary: Mapping[str, Any]) -> Decimal | None:
    """Return the account's taker fee as a fraction; None where none is named."""
    rate = (summary.get("fee_tier") or {}).get("taker_fee_rate")
    if rate is None or rate == "":
        return None
    fee = decimal(rate)
    if not 0 <= fee < 1:
        raise ValueError("not a fraction")
    return fee
