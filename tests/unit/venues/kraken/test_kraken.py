"""The account: what is asked of Kraken for each call of the port, and what is made of the answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.factory import HttpSession, RateBudget, open_kraken, open_public_kraken
from shared.venues.fake import MemoryNonces
from shared.venues.kraken.adapter import BASE_TIER_TAKER_FEE, KrakenVenue
from shared.venues.port import Outgoing, VenueOrderStatus
from tests.unit.venues.conftest import KEY, SECRET, now
from tests.unit.venues.kraken.test_kraken_lane import BTC, ORDER
from tests.unit.venues.kraken_stub import PAIRS, KrakenStub, Raw, refusal, result

CLIENT_ID = ORDER.client_order_id


def _row(client_id: str | None = CLIENT_ID, closed_at: float | None = 1000.5, **changes: Any) -> dict[str, Any]:
    row = {
        "status": "closed",
        "opentm": 1000.25,
        "closetm": closed_at,
        "descr": {"pair": "XBTUSD", "type": "buy"},
        "vol_exec": "0.1",
        "cost": "6000",
        "fee": "24",
        "oflags": "fciq",
        "cl_ord_id": client_id,
    }
    return row | changes


async def _sent(venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, **changes: Any) -> dict[str, str]:
    stub.answer("AddOrder", result({"txid": ["O1"]}))
    await venue.place(replace(ORDER, **({"deadline_at": now() + 30_000} | changes)), nonces.begin)
    return stub.sent("AddOrder")[-1].form


async def test_a_market_order_on_the_wire(venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces) -> None:
    form = await _sent(venue, stub, nonces)
    del form["nonce"], form["deadline"]
    assert form == {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "market",
        "volume": "0.0001",
        "cl_ord_id": CLIENT_ID,
        "oflags": "fciq",
    }


async def test_a_limit_order_is_immediate_or_cancel(venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces) -> None:
    form = await _sent(venue, stub, nonces, limit_price=Price(Decimal("6.00E+4"), BTC))
    assert (form["ordertype"], form["price"], form["timeinforce"]) == ("limit", "60000", "IOC")


@pytest.mark.parametrize("patience", [100, 3_600_000])
async def test_the_deadline_that_kraken_is_told_is_the_one_that_begin_recorded(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, patience: int
) -> None:
    recorded: list[int] = []

    async def begin(outgoing: Outgoing) -> int:
        recorded.append(outgoing.deadline_at)
        return await nonces.next()

    stub.answer("AddOrder", result({"txid": ["O1"]}))
    at = now()
    await venue.place(replace(ORDER, deadline_at=at + patience), begin)
    form = stub.sent("AddOrder")[-1].form
    assert form["deadline"].endswith("Z")
    assert datetime.fromisoformat(form["deadline"]).timestamp() * 1000 == recorded[0]
    assert 2_000 < recorded[0] - at < 60_000  # the only distances that Kraken takes


@pytest.mark.parametrize(("age_left", "told"), [(60_000, 30_000), (4_000, 4_000), (2_000, 3_000), (-60_000, 3_000)])
async def test_the_deadline_that_kraken_is_told_is_no_later_than_the_end_of_the_age(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, age_left: int, told: int
) -> None:
    stub.answer("AddOrder", result({"txid": ["O1"]}))
    at = now()
    await venue.place(replace(ORDER, deadline_at=at + 30_000, latest_at=at + age_left), nonces.begin)
    deadline = datetime.fromisoformat(stub.sent("AddOrder")[-1].form["deadline"]).timestamp() * 1000
    assert at + told <= deadline <= now() + told
    assert deadline <= max(at + age_left, now() + venue.shortest_life_ms)


async def test_a_pair_that_is_not_listed_is_refused_without_asking(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces
) -> None:
    with pytest.raises(Rejected):
        await venue.place(replace(ORDER, symbol=Symbol("ABC", "USD"), deadline_at=now() + 1000), nonces.begin)
    assert stub.sent("AddOrder") == []


async def test_find_looks_among_open_orders_first(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("OpenOrders", result({"open": {"O1": _row(status="open", closetm=None)}}))
    found = await venue.find(CLIENT_ID, since=0)
    assert found is not None
    assert found.venue_order_id == "O1"
    assert stub.sent("OpenOrders")[0].form["cl_ord_id"] == CLIENT_ID
    assert stub.sent("ClosedOrders") == []


async def test_find_then_looks_among_closed_orders_and_believes_no_filter(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("OpenOrders", result({"open": {"O9": _row("another"), "O8": _row(None)}}))
    stub.answer("ClosedOrders", result({"closed": {"O1": _row()}, "count": 1}))
    found = await venue.find(CLIENT_ID, since=0)
    assert found is not None
    assert found.venue_order_id == "O1"


async def test_find_at_last_looks_behind_the_trades(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("OpenOrders", result({"open": []}))  # an empty container may be a list
    stub.answer("ClosedOrders", refusal("EOrder:Unknown order"))
    stub.answer("TradesHistory", result({"trades": {"T1": {"ordertxid": "O1"}, "T2": {"ordertxid": "O2"}}, "count": 2}))
    stub.answer("QueryOrders", result({"O1": _row("another"), "O2": _row()}))
    found = await venue.find(CLIENT_ID, since=1_000_000)
    assert found is not None
    assert found.venue_order_id == "O2"
    assert stub.sent("TradesHistory")[0].form["start"] == "940"
    assert stub.sent("QueryOrders")[0].form["txid"] == "O1,O2"


async def test_find_gives_none_only_when_every_place_was_asked(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("OpenOrders", *[result({"open": {}})] * 2)
    stub.answer("ClosedOrders", *[result({"closed": {}, "count": 0})] * 2)
    stub.answer("TradesHistory", result({"trades": {}, "count": 0}))
    assert await venue.find(CLIENT_ID, since=None) is None
    assert stub.sent("TradesHistory") == []  # where no instant is given
    assert await venue.find(CLIENT_ID, since=0) is None
    stub.answer("OpenOrders", result({"open": {}}))
    stub.answer("ClosedOrders", *[Raw(b"<html>", status=502)] * 3)
    with pytest.raises(Unavailable):
        await venue.find(CLIENT_ID, since=0)
    stub.answer("OpenOrders", result({}))  # no such key: not an empty list
    with pytest.raises(Unavailable):
        await venue.find(CLIENT_ID, since=0)


async def test_of_two_orders_with_one_client_id_the_filled_one_is_found(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("OpenOrders", result({"open": {}}))
    rows = {"O2": _row(opentm=2000, vol_exec="0"), "O1": _row()}
    stub.answer("ClosedOrders", result({"closed": rows, "count": 2}))
    found = await venue.find(CLIENT_ID, since=0)
    assert found is not None
    assert found.venue_order_id == "O1"


@pytest.mark.parametrize("answer", [refusal("EOrder:Invalid order"), refusal("EOrder:Unknown order"), result({})])
async def test_an_order_that_kraken_does_not_show_is_gone(venue: KrakenVenue, stub: KrakenStub, answer: Raw) -> None:
    stub.answer("QueryOrders", answer)
    with pytest.raises(Rejected) as refused:
        await venue.order("O1")
    assert refused.value.refusal is Refusal.GONE


async def test_closed_orders_come_from_all_pages_oldest_first(venue: KrakenVenue, stub: KrakenStub) -> None:
    newest = {f"O{n}": _row(None, closed_at=n) for n in range(80, 30, -1)}
    shifted = {f"O{n}": _row(None, closed_at=n) for n in range(31, 9, -1)}  # a new order pushed O31 to this page
    shifted["O30"]["vol_exec"] = "0"
    shifted["O29"]["descr"] = {"pair": "GONEUSD", "type": "buy"}
    last = {"O10": shifted["O10"]}
    for page, count in ((newest, 71), (shifted, 72), (last, 72)):
        stub.answer("ClosedOrders", result({"closed": page, "count": count}))
    orders = await venue.closed_orders(since=20_000)
    assert [order.venue_order_id for order in orders] == [f"O{n}" for n in range(20, 81) if n != 29]
    assert [order.venue_order_id for order in orders if order.filled.amount == 0] == ["O30"]
    first, second = (request.form for request in stub.sent("ClosedOrders")[:2])
    assert (first["start"], first["closetime"], first["ofs"], second["ofs"]) == ("19", "close", "0", "50")


async def test_closed_orders_of_one_millisecond_keep_the_order_in_which_kraken_ended_them(
    venue: KrakenVenue, stub: KrakenStub
) -> None:
    newest_first = {"OA": 2000.0001, "OC": 1000.0009, "OB": 1000.0004, "OD": 1000.0004}
    rows = {txid: _row(None, closed_at=ended) for txid, ended in newest_first.items()}
    stub.answer("ClosedOrders", result({"closed": rows, "count": 4}))
    assert [order.venue_order_id for order in await venue.closed_orders(since=0)] == ["OD", "OB", "OC", "OA"]


@pytest.mark.parametrize("closed_at", [1000.5, None])
async def test_an_order_that_kraken_lists_as_closed_is_told_whatever_word_it_has_for_its_status(
    venue: KrakenVenue, stub: KrakenStub, closed_at: float | None
) -> None:
    """Found by `make chaos` seed 3: one that was left out was sent again, and bought twice."""
    rows = {"O2": _row(closed_at=closed_at, status="unknown"), "O1": _row(None, closed_at=999.0)}
    stub.answer("ClosedOrders", result({"closed": rows, "count": 2}))
    (told,) = await venue.closed_orders(since=1_000_000)
    assert (told.venue_order_id, told.client_order_id, told.status) == ("O2", CLIENT_ID, VenueOrderStatus.OPEN)


async def test_closed_orders_without_a_count_end_with_an_empty_page(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("ClosedOrders", result({"closed": {"O1": _row()}}), result({"closed": {}}))
    assert len(await venue.closed_orders(since=0)) == 1


async def test_a_balance_that_cannot_be_read_is_a_failure_and_never_empty(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("BalanceEx", result({"ZUSD": {"hold_trade": "0"}}))
    with pytest.raises(Unavailable):
        await venue.balances()
    stub.answer("BalanceEx", result(None))
    with pytest.raises(Unavailable):
        await venue.balances()


async def test_the_taker_fee_is_asked_once_an_hour(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("TradeVolume", result({"fees": {"XXBTZUSD": {"fee": "0.2600"}}}))
    assert [await venue.taker_fee(BTC) for _ in range(3)] == [Decimal("0.0026")] * 3
    assert len(stub.sent("TradeVolume")) == 1


@pytest.mark.parametrize(
    "answer", [refusal("EGeneral:Permission denied"), result({"fees": []}), result({"currency": "ZUSD"})]
)
async def test_a_key_that_may_not_ask_pays_the_base_tier(venue: KrakenVenue, stub: KrakenStub, answer: Raw) -> None:
    stub.answer("TradeVolume", answer)
    assert await venue.taker_fee(BTC) == BASE_TIER_TAKER_FEE


async def test_a_key_that_is_invalid_is_told_and_not_covered_up(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("TradeVolume", refusal("EAPI:Invalid key"))
    with pytest.raises(Rejected) as refused:
        await venue.taker_fee(BTC)
    assert refused.value.refusal is Refusal.AUTH


async def test_the_list_of_pairs_is_shared_and_asked_for_again_when_it_is_old(
    stub: KrakenStub, http: HttpSession
) -> None:
    at = now()
    public = open_public_kraken(url=stub.url, http=http, timeout=2, clock=lambda: at)
    accounts = [
        open_kraken(
            url=stub.url, api_key=KEY, api_secret=SECRET, nonces=MemoryNonces(), http=http, timeout=2, clock=lambda: at,
            budget=RateBudget(None), public=public,
        )
        for _ in range(3)
    ]  # fmt: skip
    for account in accounts:
        await account.instruments()
    assert len(stub.sent("AssetPairs")) == 1
    at += 600_000
    dearer = {**PAIRS, "XXBTZUSD": PAIRS["XXBTZUSD"] | {"ordermin": "0.001"}}
    stub.answer("AssetPairs", result(dearer))
    stub.answer("Assets", result({"ZUSD": {"altname": "USD"}}))
    assert (await public.instruments())[BTC].min_size == Decimal("0.001")
    at += 600_000
    stub.answer("AssetPairs", *[Raw(b"<html>", status=502)] * 3)
    assert (await public.instruments())[BTC].min_size == Decimal("0.001")  # old facts serve while Kraken is down


async def test_without_any_list_of_pairs_nothing_is_guessed(http: HttpSession, stub: KrakenStub) -> None:
    public = open_public_kraken(url=stub.url + "/nowhere", http=http, timeout=2, clock=now)
    stub._answers["AssetPairs"].clear()
    with pytest.raises(Unavailable, match="no pairs"):
        await public.instruments()


async def test_a_refused_size_has_the_list_of_pairs_asked_for_again(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces
) -> None:
    await venue.instruments()
    stub.answer("AddOrder", refusal("EGeneral:Invalid arguments:volume minimum not met"))
    with pytest.raises(Rejected):
        await venue.place(replace(ORDER, deadline_at=now() + 30_000), nonces.begin)
    await venue.instruments()
    assert len(stub.sent("AssetPairs")) == 2


async def test_prices_are_asked_for_listed_pairs_only(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("Ticker", result({"XXBTZUSD": {"c": ["60000.1", "1"]}}))
    prices = await venue.prices([BTC, Symbol("ABC", "USD")])
    assert prices == {BTC: Price(Decimal("60000.1"), BTC)}
    assert stub.sent("Ticker")[0].form["pair"] == "XBTUSD"
    assert await venue.prices([Symbol("ABC", "USD")]) == {}
    assert len(stub.sent("Ticker")) == 1


@pytest.mark.parametrize(("symbol", "minutes"), [(BTC, 7), (Symbol("ABC", "USD"), 60)])
async def test_candles_that_kraken_does_not_offer_are_refused(venue: KrakenVenue, symbol: Symbol, minutes: int) -> None:
    with pytest.raises(Rejected):
        await venue.candles(symbol, minutes)


@pytest.mark.parametrize(
    ("key", "secret"), [("", SECRET), ("  ", SECRET), (KEY, ""), (KEY, "your_api_secret"), (KEY, "not base64 at all")]
)
async def test_a_blank_or_placeholder_key_is_refused_before_anything_is_signed(
    http: HttpSession, key: str, secret: str
) -> None:
    with pytest.raises(Rejected) as refused:
        open_kraken(
            url="http://127.0.0.1:1",
            api_key=key,
            api_secret=secret,
            nonces=MemoryNonces(),
            http=http,
            timeout=1,
            clock=now,
            budget=RateBudget(None),
        )
    assert refused.value.refusal is Refusal.AUTH
    assert "your_api_secret" not in str(refused.value)
