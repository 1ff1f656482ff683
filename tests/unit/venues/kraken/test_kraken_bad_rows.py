"""One bad row among many: it is left out and named, the others are read, and it never passes for a row that is not there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.values.money import Price
from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.kraken import parse
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.port import RowReason, TradeKind
from tests.unit.venues.kraken.test_kraken import CLIENT_ID, _row
from tests.unit.venues.kraken.test_kraken_lane import BTC
from tests.unit.venues.kraken_stub import ASSETS, PAIRS, KrakenStub, result

_BAD_ROWS: list[tuple[Any, str | None]] = [
    (_row("other", descr={"pair": "XBTUSD", "type": ""}), "other"),
    (_row("other", descr=None), "other"),
    (_row("other", vol_exec="NaN"), "other"),
    (_row("other", opentm="soon"), "other"),
    ("no row at all", None),
]


@pytest.mark.parametrize(("bad", "client_id"), _BAD_ROWS)
async def test_one_bad_row_of_a_list_is_left_out_and_named(
    venue: KrakenVenue, stub: KrakenStub, bad: Any, client_id: str | None
) -> None:
    """Case E1."""
    rows = {"O3": _row("three", closed_at=1003.0), "OBAD": bad, "O1": _row("one", closed_at=1001.0)}
    stub.answer("ClosedOrders", result({"closed": rows, "count": 3}))
    listed = await venue.closed_orders(since=0)
    assert [order.venue_order_id for order in listed] == ["O1", "O3"]
    (left_out,) = listed.left_out
    assert (left_out.row_id, left_out.reason, left_out.client_order_id) == ("OBAD", RowReason.UNREADABLE, client_id)
    stub.answer("OpenOrders", result({"open": rows}))
    assert len(await venue.open_orders()) == 2


async def test_a_row_from_before_what_was_asked_for_is_not_told_again(venue: KrakenVenue, stub: KrakenStub) -> None:
    rows = {"OBAD": _row("x", closed_at=1000.0, vol_exec="?"), "ODD": "nothing"}
    stub.answer("ClosedOrders", result({"closed": rows, "count": 2}))
    assert [row.row_id for row in (await venue.closed_orders(since=1_000_500)).left_out] == ["ODD"]


@pytest.mark.parametrize("bad", [_row(vol_exec="?"), _row(descr={"pair": "GONEUSD", "type": "buy"}), "no row"])
async def test_an_order_that_is_asked_for_and_cannot_be_read_is_never_absent(
    venue: KrakenVenue, stub: KrakenStub, bad: Any
) -> None:
    stub.answer("OpenOrders", result({"open": {}}))
    stub.answer("ClosedOrders", result({"closed": {"O1": bad}, "count": 1}))
    with pytest.raises(Unavailable):
        await venue.find(CLIENT_ID, since=None)
    stub.answer("QueryOrders", result({"O1": bad}))
    with pytest.raises(Unavailable):
        await venue.order("O1")


async def test_a_bad_row_of_another_order_hides_no_other(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("OpenOrders", result({"open": {}}))
    stub.answer("ClosedOrders", result({"closed": {"OBAD": _row("other", vol_exec="?"), "O1": _row()}, "count": 2}))
    found = await venue.find(CLIENT_ID, since=None)
    assert found is not None
    assert found.venue_order_id == "O1"


async def test_an_order_that_is_not_there_is_still_gone(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("QueryOrders", result({}))
    with pytest.raises(Rejected) as refused:
        await venue.order("O1")
    assert refused.value.refusal is Refusal.GONE


async def test_a_pair_that_was_listed_a_moment_ago_is_learnt_at_once_and_asked_for_seldom(
    venue: KrakenVenue, stub: KrakenStub
) -> None:
    """Case B3."""
    new = {"SOLUSD": PAIRS["XXBTZUSD"] | {"altname": "SOLUSD", "wsname": "SOL/USD", "base": "SOL"}}
    rows = {"O1": _row(None, descr={"pair": "SOLUSD", "type": "buy"})}
    await venue.instruments()
    for listed in (PAIRS, PAIRS | new):
        stub.answer("AssetPairs", result(listed))
        stub.answer("Assets", result(ASSETS))
    for _ in range(3):
        stub.answer("ClosedOrders", result({"closed": rows, "count": 1}))
    first = await venue.closed_orders(since=0)
    assert (list(first), first.left_out[0].reason) == ([], RowReason.UNKNOWN_PAIR)
    again = await venue.closed_orders(since=0)
    assert again.left_out
    assert len(stub.sent("AssetPairs")) == 2  # the first, and one for the unknown pair: not one a scan
    venue._public._asked_for.clear()  # as half a minute later
    (order,) = await venue.closed_orders(since=0)
    assert order.symbol.base == "SOL"


async def test_a_pair_of_another_asset_class_is_no_reason_to_ask_again(venue: KrakenVenue, stub: KrakenStub) -> None:
    tokenised = {"AAPLxUSD": PAIRS["XXBTZUSD"] | {"altname": "AAPLxUSD", "aclass_base": "tokenized_asset"}}
    stub._answers["AssetPairs"].clear()
    stub.answer("AssetPairs", result(PAIRS | tokenised))
    rows = {"O1": _row(None, descr={"pair": "AAPLxUSD", "type": "buy"})}
    stub.answer("ClosedOrders", result({"closed": rows, "count": 1}))
    (left_out,) = (await venue.closed_orders(since=0)).left_out
    assert left_out.reason is RowReason.NOT_A_CURRENCY
    assert len(stub.sent("AssetPairs")) == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"descr": {"pair": "XBTUSD", "type": "sell", "leverage": "2:1", "ordertype": "market"}}, TradeKind.MARGIN),
        ({"descr": {"pair": "XBTUSD", "type": "sell", "leverage": "3"}}, TradeKind.MARGIN),
        ({"descr": {"pair": "XBTUSD", "type": "sell", "leverage": "none"}}, TradeKind.SPOT),
        ({"descr": {"pair": "XBTUSD", "type": "sell", "leverage": None}}, TradeKind.SPOT),
        ({"descr": {"pair": "XBTUSD", "type": "sell", "ordertype": "settle-position"}}, TradeKind.SETTLEMENT),
        ({"oflags": "fciq,viqc"}, TradeKind.SIZED_IN_QUOTE),
    ],
)
async def test_what_is_no_plain_spot_trade_is_named(
    venue: KrakenVenue, stub: KrakenStub, changes: dict[str, Any], kind: TradeKind
) -> None:
    """Case B1."""
    stub.answer("ClosedOrders", result({"closed": {"O1": _row(None, **changes)}, "count": 1}))
    (order,) = await venue.closed_orders(since=0)
    assert order.trade is kind


async def test_one_balance_that_cannot_be_read_is_unknown_and_the_others_are_read(
    venue: KrakenVenue, stub: KrakenStub
) -> None:
    stub.answer("BalanceEx", result({"ZUSD": {"balance": "10"}, "XXBT": {"balance": "much"}, "SOL": "none"}))
    balances = await venue.balances()
    assert {asset: each.total for asset, each in balances.items()} == {"USD": Decimal(10)}
    assert balances.unreadable == {"BTC", "SOL"}
    assert balances.get("DOGE") is None
    with pytest.raises(Unavailable):
        _ = balances["BTC"]
    with pytest.raises(Unavailable):
        balances.get("BTC")


def test_an_asset_of_which_one_of_two_rows_cannot_be_read_is_unknown() -> None:
    read = parse.balances(parse.asset_names(ASSETS), {"XXBT": {"balance": "1"}, "XBT": {}, "ZUSD": {"balance": "1"}})
    assert (frozenset(read), read.unreadable) == (frozenset({"USD"}), frozenset({"BTC"}))


def test_one_bad_row_of_pairs_assets_prices_or_candles_is_left_out() -> None:
    names = parse.asset_names({**ASSETS, "BAD": "no row"})
    book = parse.pair_book(names, {**PAIRS, "BAD": "no row", "WORSE": {"base": "XXBT"}}, as_of=1)
    assert set(map(str, book.instruments)) == {"BTC/USD", "DOGE/USD"}
    assert {pair: reason for pair, (reason, _) in book.left_out.items()} == {
        "BAD": RowReason.UNUSABLE_PAIR,
        "WORSE": RowReason.UNUSABLE_PAIR,
    }
    assert parse.prices(book, {"XXBTZUSD": {"c": ["60000", "1"]}, "XDGUSD": {"c": ["x"]}}) == {
        BTC: Price(Decimal(60_000), BTC)
    }
    assert parse.prices(book, {"XDGUSD": "no row"}) == {}
    bars = [[60, "1", "4", "0.5", "2", "1.5", "1", 7], [120, "?", "4", "0.5", "2", "1.5", "1", 7]]
    assert [bar.opened_at for bar in parse.candles({"X": bars, "last": 120})] == [60_000]
