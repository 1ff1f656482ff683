"""Kraken's ticker messages. The first three are of the live venue's kind (recorded in September 2026)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.venues.answers import read_object
from shared.venues.errors import Unavailable
from shared.venues.kraken.streaming.ticker import KrakenTickerReader
from shared.venues.streaming.ticker_protocol import Heard, SubscriptionRefused, Tick

SNAPSHOT = (
    '{"channel":"ticker","type":"snapshot","data":[{"symbol":"USDT/USD","bid":0.99980,"bid_qty":44620.68691883,"ask":0.99981,'
    '"ask_qty":1087605.70466858,"last":0.99981,"volume":270638277.50461281,"vwap":0.99983,"low":0.99959,"high":1.00000,'
    '"change":0.00005,"change_pct":0.01,"trades":38144,"timestamp":"2026-09-24T03:54:18.054886Z"}]}'
)
REFUSED = (
    '{"error":"Currency pair not supported NOPE/USD","method":"subscribe","success":false,"symbol":"NOPE/USD",'
    '"time_in":"2026-09-24T03:54:32.996743Z","time_out":"2026-09-24T03:54:32.996775Z"}'
)
ACCEPTED = (
    '{"method":"subscribe","result":{"channel":"ticker","event_trigger":"trades","snapshot":true,"symbol":"USDT/USD"},'
    '"success":true,"time_in":"2026-09-24T03:54:28.829165Z","time_out":"2026-09-24T03:54:28.829217Z"}'
)


def read(text: str) -> Heard:
    message = read_object(text.encode())
    assert message is not None
    return KrakenTickerReader().read(message)


def row(last: str, *, kind: str = "update", more: str = "") -> str:
    return f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"BTC/USD","bid":1,"ask":2,"last":{last}{more}}}]}}'


def test_the_last_trade_is_read_and_neither_quote_nor_average() -> None:
    assert read(SNAPSHOT) == Heard([Tick("USDT/USD", Decimal("0.99981"))])


def test_a_snapshot_says_nothing_about_when_it_was_made() -> None:
    """Its instant is that of the last event of the pair, which may be long ago."""
    assert read(SNAPSHOT).made_at is None


def test_an_update_says_when_it_was_made() -> None:
    heard = read(row("60000.1", more=',"timestamp":"2026-09-24T03:54:18.054886Z"'))
    assert heard == Heard([Tick("BTC/USD", Decimal("60000.1"))], made_at=1_790_222_058_054)


def test_acknowledgements_heartbeats_and_what_is_new_say_nothing() -> None:
    status = '{"channel":"status","type":"update","data":[{"system":"online","connection_id":18266300427528990701}]}'
    for text in (ACCEPTED, status, '{"channel":"heartbeat"}', '{"channel":"news"}', '{"method":"pong","req_id":7}'):
        assert read(text) == Heard()


def test_a_refused_pair_is_named() -> None:
    assert read(REFUSED) == Heard(refused=["NOPE/USD"])


def test_a_refusal_without_a_pair_puts_all_in_doubt() -> None:
    with pytest.raises(SubscriptionRefused):
        read('{"error":"Malformed","method":"subscribe","success":false}')


def test_an_end_that_was_refused_harms_nothing() -> None:
    assert read('{"error":"Subscription Not Found","method":"unsubscribe","success":false}') == Heard()


def test_an_error_of_the_connection_ends_it() -> None:
    with pytest.raises(Unavailable):
        read('{"Error":"Exceeded msg rate"}')


@pytest.mark.parametrize(
    "last", ["0", "-60000", '"NaN"', '"Infinity"', '"abc"', '""', "null", "true", "[]", "{}", "1e99", "1e-60"]
)
def test_an_absurd_price_is_none(last: str) -> None:
    assert read(row(last)) == Heard([Tick("BTC/USD", None)])


@pytest.mark.parametrize("last", ["60000.1", '"60000.1"', "6.00001e4"])
def test_a_number_may_be_written_in_any_form(last: str) -> None:
    assert read(row(last)) == Heard([Tick("BTC/USD", Decimal("60000.1"))])


def test_an_update_without_a_price_has_none() -> None:
    text = '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":1}]}'
    assert read(text) == Heard([Tick("BTC/USD", None)])


@pytest.mark.parametrize(
    "data", ["null", '{"symbol":"BTC/USD"}', '["BTC/USD"]', '[{"last":1}]', '[{"symbol":1,"last":1}]', "[null]"]
)
def test_a_row_without_a_pair_ends_the_connection(data: str) -> None:
    message: dict[str, Any] | None = read_object(f'{{"channel":"ticker","type":"update","data":{data}}}'.encode())
    assert message is not None
    with pytest.raises(Unavailable):
        KrakenTickerReader().read(message)


@pytest.mark.parametrize("instant", ['"yesterday"', "5", "null", '"2026-09-24T03:54:18"'])
def test_an_instant_that_cannot_be_read_ends_the_connection(instant: str) -> None:
    with pytest.raises(Unavailable):
        read(row("1", more=f',"timestamp":{instant}'))
