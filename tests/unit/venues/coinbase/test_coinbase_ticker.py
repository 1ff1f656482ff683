"""Coinbase's ticker messages: prices, numbers in a row, and whose book a product has."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.values.symbol import Symbol
from shared.venues.coinbase.streaming.ticker import CoinbaseTicker, CoinbaseTickerReader
from shared.venues.errors import Unavailable
from shared.venues.factory import HttpSession, open_public_coinbase
from shared.venues.streaming.sequence import Sequence
from shared.venues.streaming.ticker_protocol import Heard, SubscriptionRefused, Tick
from tests.unit.venues.coinbase_stub import PRODUCT, CoinbaseStub, reply
from tests.unit.venues.conftest import now

INSTANT = "2026-04-07T14:30:10.123456789Z"
MADE_AT = 1_775_572_210_123


def message(*rows: Any, number: Any = 0, kind: str = "update", **fields: Any) -> dict[str, Any]:
    return {
        "channel": "ticker",
        "client_id": "",
        "timestamp": INSTANT,
        "sequence_num": number,
        "events": [{"type": kind, "tickers": list(rows)}],
        **fields,
    }


def btc(price: Any = "60000.1") -> dict[str, Any]:
    return {"type": "ticker", "product_id": "BTC-USD", "price": price, "best_bid": "1", "best_ask": "2"}


def beat(number: int) -> dict[str, Any]:
    counter = {"current_time": "2026-04-07 14:30:10.000000000+00:00", "heartbeat_counter": 42}
    return {"channel": "heartbeats", "client_id": "", "timestamp": INSTANT, "sequence_num": number, "events": [counter]}


def test_the_last_trade_is_read_and_no_quote() -> None:
    eth = {"product_id": "ETH-USD", "price": "3000"}
    heard = CoinbaseTickerReader(Sequence()).read(message(btc(), eth))
    assert heard == Heard([Tick("BTC-USD", Decimal("60000.1")), Tick("ETH-USD", Decimal(3000))], made_at=MADE_AT)


def test_other_channels_are_signs_of_life() -> None:
    reader = CoinbaseTickerReader(Sequence())
    acknowledged = {"channel": "subscriptions", "timestamp": INSTANT, "sequence_num": 0, "events": []}
    assert reader.read(acknowledged) == Heard(made_at=MADE_AT)
    assert reader.read(beat(1)) == Heard(made_at=MADE_AT)


@pytest.mark.parametrize("numbers", [(0, 2), (5, 5), (5, 4), (7, 0)])
def test_a_number_out_of_line_ends_the_connection(numbers: tuple[int, int]) -> None:
    reader = CoinbaseTickerReader(Sequence())
    reader.read(beat(numbers[0]))
    with pytest.raises(Unavailable):
        reader.read(message(btc(), number=numbers[1]))


def test_numbers_of_each_channel_end_the_connection_once() -> None:
    """The documentation calls them so, recordings count through all channels: what a venue does is learned for good."""
    sequence = Sequence()
    reader = CoinbaseTickerReader(sequence)
    reader.read(beat(0))
    with pytest.raises(Unavailable):
        reader.read(message(btc(), number=0))
    again = CoinbaseTickerReader(sequence)
    for number in range(3):
        again.read(beat(number))
        again.read(message(btc(), number=number))
    with pytest.raises(Unavailable):
        again.read(message(btc(), number=4))


def test_the_first_number_may_be_any() -> None:
    reader = CoinbaseTickerReader(Sequence())
    for number in (120, 121, 122):
        reader.read(message(btc(), number=number))


@pytest.mark.parametrize("number", ["1", None, True, 1.5])
def test_a_number_that_is_none_ends_the_connection(number: Any) -> None:
    with pytest.raises(Unavailable):
        CoinbaseTickerReader(Sequence()).read(message(btc(), number=number))


def test_an_error_puts_what_was_asked_for_in_doubt() -> None:
    with pytest.raises(SubscriptionRefused):
        CoinbaseTickerReader(Sequence()).read({"type": "error", "message": "ticker update failed"})


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "abc", "", None, True, [], {}, "1e99", "1" * 60])
def test_an_absurd_price_is_none(price: Any) -> None:
    assert CoinbaseTickerReader(Sequence()).read(message(btc(price))).ticks == [Tick("BTC-USD", None)]


@pytest.mark.parametrize("row", [{}, {"price": "1"}, {"product_id": 5, "price": "1"}, "BTC-USD", None])
def test_a_row_without_a_product_ends_the_connection(row: Any) -> None:
    with pytest.raises(Unavailable):
        CoinbaseTickerReader(Sequence()).read(message(row))


@pytest.mark.parametrize("events", [None, 1, [{}], ["x"], [{"tickers": None}]])
def test_events_of_another_shape_end_the_connection(events: Any) -> None:
    with pytest.raises(Unavailable):
        CoinbaseTickerReader(Sequence()).read(message(events=events))


async def test_an_alias_is_followed_by_the_product_that_has_the_book(http: HttpSession, stub: CoinbaseStub) -> None:
    """Products of USDC have no rows of their own in the market channels (docs.cdp.coinbase.com, WebSocket channels)."""
    alias = PRODUCT | {"product_id": "BTC-USDC", "alias": "BTC-USD", "alias_to": []}
    alone = PRODUCT | {"product_id": "USDT-USDC", "alias": "", "alias_to": []}
    stub.answer("products", reply({"products": [PRODUCT, alias, alone]}))
    public = open_public_coinbase(url=stub.url, http=http, timeout=30, clock=now)
    btc_usd, btc_usdc, usdt = Symbol("BTC", "USD"), Symbol("BTC", "USDC"), Symbol("USDT", "USDC")
    names = await CoinbaseTicker(public).names([btc_usdc, btc_usd, usdt, Symbol("NOPE", "USD")])
    assert names == {"BTC-USD": {btc_usd, btc_usdc}, "USDT-USDC": {usdt}}


def test_messages_are_as_documented() -> None:
    ticker = CoinbaseTicker.__new__(CoinbaseTicker)
    assert json.dumps(ticker.change(["BTC-USD"], on=True)) == (
        '{"type": "subscribe", "channel": "ticker", "product_ids": ["BTC-USD"]}'
    )
    assert ticker.change(["BTC-USD"], on=False)["type"] == "unsubscribe"
    assert list(ticker.opening()) == [{"type": "subscribe", "channel": "heartbeats"}]
