"""Answers that were repeated on the way to the same key: never taken for the answer to the next question. Case S9.

HTTP/1.1 pairs answers with requests by their order alone, so that a copy which comes while the next request is on its way is read
as its answer. Kraken's answers have shapes, and its orders have names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.order import Side
from shared.venues.errors import OutcomeUnknown, Unavailable
from shared.venues.fake import MemoryNonces
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.kraken.shapes import may_answer
from shared.venues.port import OrderRequest
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken.test_kraken_lane import BTC, ORDER
from tests.unit.venues.kraken_stub import KrakenStub, Raw, result

ANSWERS: dict[str, Any] = {
    "OpenOrders": {"open": {}},
    "ClosedOrders": {"closed": {}, "count": 0},
    "TradesHistory": {"trades": {}, "count": 0},
    "QueryOrders": {"OTHER-ORDER": {"status": "closed"}},
    "BalanceEx": {"ZUSD": {"balance": "1", "hold_trade": "0"}},
    "TradeVolume": {"currency": "ZUSD", "volume": "0", "fees": {"XXBTZUSD": {"fee": "0.26"}}},
    "AddOrder": {"txid": ["O1"], "descr": {"order": "buy"}},
}


def _order(client_id: str) -> OrderRequest:
    return replace(ORDER, client_order_id=client_id, side=Side.BUY, deadline_at=now() + 30_000)


async def test_an_answer_that_names_an_order_once_more_is_not_the_next_orders_answer(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces
) -> None:
    stub.answer("AddOrder", result({"txid": ["O1"]}), result({"txid": ["O1"]}), result({"txid": ["O2"]}))
    assert (await venue.place(_order("first"), nonces.begin)).venue_order_id == "O1"
    with pytest.raises(OutcomeUnknown, match="returned O1 before"):
        await venue.place(_order("second"), nonces.begin)
    before = stub.connections
    assert (await venue.place(_order("third"), nonces.begin)).venue_order_id == "O2"
    assert stub.connections == before + 1, "went on over the connection whose answers were in doubt"


@pytest.mark.parametrize("repeated", [name for name in ANSWERS if name != "AddOrder"])
async def test_a_lookups_answer_is_no_answer_to_an_order(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, repeated: str
) -> None:
    stub.answer("AddOrder", result(ANSWERS[repeated]))
    with pytest.raises(OutcomeUnknown):
        await venue.place(_order("first"), nonces.begin)


@pytest.mark.parametrize("asked", ["OpenOrders", "ClosedOrders", "TradesHistory", "QueryOrders"])
@pytest.mark.parametrize("repeated", ANSWERS)
def test_no_other_answer_passes_for_a_list_of_orders(asked: str, repeated: str) -> None:
    """From these it is concluded that an order does not exist."""
    assert may_answer(asked, {"txid": "O1,O2"}, ANSWERS[repeated]) is (asked == repeated != "QueryOrders")
    assert may_answer("QueryOrders", {"txid": "O1,OTHER-ORDER"}, ANSWERS["QueryOrders"])


@pytest.mark.parametrize("repeated", ["AddOrder", "OpenOrders", "ClosedOrders", "TradesHistory"])
@pytest.mark.parametrize("asked", ["BalanceEx", "TradeVolume"])
def test_no_list_passes_for_balances_or_fees(asked: str, repeated: str) -> None:
    assert not may_answer(asked, {}, ANSWERS[repeated])
    assert may_answer(asked, {}, ANSWERS[asked])


async def test_an_absence_is_not_concluded_from_the_answer_to_another_question(
    venue: KrakenVenue, stub: KrakenStub
) -> None:
    """The list of open orders, repeated, comes where the closed ones were asked for: that no such order ended is not known."""
    await venue.instruments()
    copy = result({"open": {}})
    stub.answer("OpenOrders", copy)
    stub.answer("ClosedOrders", copy, copy, copy)
    before = stub.connections
    with pytest.raises(Unavailable, match="does not match ClosedOrders"):
        await venue.find(ORDER.client_order_id, since=None)
    assert stub.connections > before


async def test_candles_of_another_pair_are_not_taken_for_those_that_were_asked_for(
    venue: KrakenVenue, stub: KrakenStub
) -> None:
    rows = [[60, "1", "1", "1", "1", "1", "1", 1]]
    stub.answer("OHLC", result({"XDGUSD": rows, "last": 60}))
    with pytest.raises(Unavailable, match="not contain candles of BTC/USD"):
        await venue.candles(BTC, 1)


async def test_a_gateways_page_ends_its_connection(venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces) -> None:
    """The venue's own answer may follow it."""
    await venue.instruments()
    stub.answer("AddOrder", Raw(b"<html>504</html>", status=504), result({"txid": ["O2"]}))
    with pytest.raises(OutcomeUnknown):
        await venue.place(_order("first"), nonces.begin)
    before = stub.connections
    await venue.place(_order("second"), nonces.begin)
    assert stub.connections == before + 1
