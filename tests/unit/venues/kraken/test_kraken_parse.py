"""Kraken's shapes, with the quirks that shared/venues/kraken/KRAKEN.md names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.order import Side
from shared.domain.values.instrument import PairStatus
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable
from shared.venues.kraken import parse
from shared.venues.kraken.symbols import PairBook
from shared.venues.port import Balance, Candle, OmittedRow, RowReason, VenueOrder, VenueOrderStatus
from tests.unit.venues.kraken_stub import ASSETS, PAIRS

BTC, DOGE = Symbol("BTC", "USD"), Symbol("DOGE", "USD")
ROW: dict[str, Any] = {
    "refid": None,
    "userref": None,
    "cl_ord_id": "6d1b345e-2821-40e2-ad83-4ecb18a06876",
    "status": "closed",
    "opentm": Decimal("1688666559.8974"),
    "closetm": Decimal("1688666560.1235"),
    "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "price": "0"},
    "vol": "1.25000000",
    "vol_exec": "1.25000000",
    "cost": "37526.2",
    "fee": "60.0",
    "price": "30021.0",
    "oflags": "fciq",
    "reason": None,
}


def _book(**changes: Any) -> PairBook:
    listed = {"XXBTZUSD": PAIRS["XXBTZUSD"] | changes, "XDGUSD": PAIRS["XDGUSD"]}
    return parse.pair_book(parse.asset_names(ASSETS), listed, as_of=1)


def test_a_pair_s_facts() -> None:
    instrument = _book().instruments[BTC]
    assert (instrument.tick, instrument.lot_step) == (Decimal("0.1"), Decimal("0.00000001"))
    assert (instrument.min_size, instrument.min_cost) == (Decimal("0.00005"), Decimal("0.5"))
    assert instrument.status is PairStatus.ONLINE
    assert _book().instruments[DOGE].min_size == 50


def test_a_pair_without_tick_size_has_its_decimals() -> None:
    assert _book(tick_size=None, pair_decimals=2).instruments[BTC].tick == Decimal("0.01")


@pytest.mark.parametrize(
    ("status", "read"), [("limit_only", PairStatus.LIMIT_ONLY), ("halted?", PairStatus.CANCEL_ONLY)]
)
def test_an_unknown_status_takes_no_orders(status: str, read: PairStatus) -> None:
    assert _book(status=status).instruments[BTC].status is read


@pytest.mark.parametrize(
    "changes",
    [
        {"ordermin": "0"},
        {"ordermin": None},
        {"ordermin": "NaN"},
        {"tick_size": "-1"},
        {"lot_decimals": -3},
        {"lot_decimals": "many"},
        {"aclass_base": "tokenized_asset"},
        {"altname": "XBTUSD.d"},
        {"base": "x y"},
    ],
)
def test_what_is_no_spot_pair_or_makes_no_sense_is_left_out_alone(changes: dict[str, Any]) -> None:
    assert set(_book(**changes).instruments) == {DOGE}


def test_prices_leave_out_dead_pairs() -> None:
    ticker = {"XXBTZUSD": {"c": ["60000.10", "0.1"]}, "XDGUSD": {"c": ["0", "0"]}, "NEWUSD": {"c": ["1", "1"]}}
    assert {symbol: price.amount for symbol, price in parse.prices(_book(), ticker).items()} == {
        BTC: Decimal("60000.10")
    }
    assert parse.prices(_book(), {"XDGUSD": {}}) == {}


def _bar(at: int) -> list[Any]:
    return [at, "1", "4", "0.5", "2", "1.5", "10.25", 7]


@pytest.mark.parametrize("key", ["XXBTZUSD", "BTC/USD"])
def test_candles_are_the_only_key_that_is_not_last_without_the_forming_one(key: str) -> None:
    bars = parse.candles({key: [_bar(60), _bar(120), _bar(180)], "last": 120})
    assert [bar.opened_at for bar in bars] == [60_000, 120_000]
    assert bars[0] == Candle(60_000, Decimal(1), Decimal(4), Decimal("0.5"), Decimal(2), Decimal("10.25"))


def test_candles_without_last_lose_the_newest_row() -> None:
    assert [bar.opened_at for bar in parse.candles({"x": [_bar(60), _bar(120)]})] == [60_000]
    assert parse.candles({"x": [], "last": 0}) == []


def test_balances_are_free_of_holds_and_lent_out_ones_stand_apart() -> None:
    extended = {
        "ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"},
        "XXBT": {"balance": "1.5", "hold_trade": "0", "credit": "0.5", "credit_used": "0.2"},
        "XXDG": {"balance": "7"},
        "USDT.F": {"balance": "100", "hold_trade": "0"},
        "XBT.F": {"balance": "0.25"},
        "DOT28.S": {"balance": "3"},
        "KFEE": {"balance": "12.5"},
        "SOL": {"balance": "1", "hold_trade": "2"},
    }
    assert parse.balances(parse.asset_names(ASSETS), extended) == {
        "USD": Balance("USD", Decimal("25435.21"), Decimal("17185.45")),
        "BTC": Balance("BTC", Decimal("1.5"), Decimal("1.8")),
        "DOGE": Balance("DOGE", Decimal(7), Decimal(7)),
        "USDT.F": Balance("USDT.F", Decimal(100), Decimal(0), "USDT"),
        "BTC.F": Balance("BTC.F", Decimal("0.25"), Decimal(0), "BTC"),
        "DOT28.S": Balance("DOT28.S", Decimal(3), Decimal(0), "DOT"),
        "SOL": Balance("SOL", Decimal(1), Decimal(0)),
    }


def test_an_order() -> None:
    order = parse.order(_book(), "O1", ROW)
    assert isinstance(order, VenueOrder)
    assert (order.symbol, order.side, order.status) == (BTC, Side.BUY, VenueOrderStatus.DONE)
    assert (order.filled.amount, order.cost.amount, order.fee, order.fee_asset) == (
        Decimal("1.25"),
        Decimal("37526.2"),
        Decimal(60),
        "USD",
    )
    assert (order.opened_at, order.closed_at) == (1_688_666_559_897, 1_688_666_560_123)
    assert (order.client_order_id, order.reason) == (ROW["cl_ord_id"], "")


@pytest.mark.parametrize("status", ["canceled", "expired"])
def test_a_cancelled_order_may_have_filled_in_part(status: str) -> None:
    order = parse.order(_book(), "O1", ROW | {"status": status, "vol_exec": "0.5", "reason": "IOC"})
    assert isinstance(order, VenueOrder)
    assert (order.status, order.filled.amount, order.reason) == (VenueOrderStatus.DONE, Decimal("0.5"), "IOC")


@pytest.mark.parametrize("status", ["pending", "open", "a word that is new"])
def test_what_is_not_known_to_be_over_is_open(status: str) -> None:
    order = parse.order(_book(), "O1", {**ROW, "status": status, "closetm": None})
    assert isinstance(order, VenueOrder)
    assert (order.status, order.closed_at) == (VenueOrderStatus.OPEN, None)


def test_a_fee_in_base_an_altname_or_an_id_and_a_pair_that_is_gone() -> None:
    fee_in_base = parse.order(_book(), "O1", ROW | {"oflags": "post,fcib", "cl_ord_id": None})
    assert isinstance(fee_in_base, VenueOrder)
    assert (fee_in_base.fee_asset, fee_in_base.client_order_id) == ("BTC", "")
    by_id = parse.order(_book(), "O1", ROW | {"descr": {"pair": "XXBTZUSD", "type": "sell"}})
    assert isinstance(by_id, VenueOrder)
    assert by_id.side is Side.SELL
    gone = parse.order(_book(), "O1", ROW | {"descr": {"pair": "GONEUSD", "type": "sell"}})
    assert isinstance(gone, OmittedRow)
    assert (gone.reason, gone.client_order_id) == (RowReason.UNKNOWN_PAIR, ROW["cl_ord_id"])


@pytest.mark.parametrize(
    "broken",
    [{"vol_exec": None}, {"vol_exec": "NaN"}, {"cost": "Infinity"}, {"fee": True}, {"descr": None}, {"opentm": "soon"}],
)
def test_an_order_that_cannot_be_read_is_never_zero(broken: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match="could not be read"), parse.readable("QueryOrders"):
        parse.order(_book(), "O1", ROW | broken)


@pytest.mark.parametrize(
    ("answer", "txid"),
    [
        ({"txid": ["O1"]}, "O1"),
        ({"txid": "O1"}, "O1"),
        ({"txid": []}, None),
        ({"txid": ["O1", "O2"]}, None),
        ({"txid": [None]}, None),
        ({"descr": {}}, None),
        ([], None),
        (None, None),
    ],
)
def test_an_accepted_order_is_named(answer: object, txid: str | None) -> None:
    assert parse.accepted_id(answer) == txid


def test_the_taker_fee_is_a_fraction() -> None:
    assert parse.taker_fee({"fees": {"XXBTZUSD": {"fee": "0.3500"}}}) == Decimal("0.0035")
    assert parse.taker_fee({"fees": None}) is None
    assert parse.taker_fee({"fees": []}) is None
