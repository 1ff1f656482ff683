"""What the real Kraken does in small things, each with the source that says so.

SPEC is Kraken's published OpenAPI description, CCXT what ccxt has of the venue's recorded answers, PKS the tests of
python-kraken-sdk, which run against the venue, RECORDED public answers of September 2026.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.paper_exchange.kraken.shapes import rfc1123
from tests.unit.paper_exchange.venue import Client, Venue

CLOSE: dict[str, Any] = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "59000", "volume": "0.5"}
ARGUMENTS = "EGeneral:Invalid arguments"


def at(venue: Venue, seconds: float) -> str:
    return datetime.fromtimestamp(venue.clock.now() + seconds, UTC).isoformat()


@pytest.mark.parametrize(("side", "price", "stop"), [("sell", "66500", "63175"), ("buy", "50000", "52500")])
def test_a_trailing_stop_in_per_cent_stays_in_per_cent(
    venue: Venue, alice: Client, side: str, price: str, stop: str
) -> None:
    """The row keeps `+5.0000%` (CCXT, fetchOpenOrders); the stop is 5 % from the best price (SPEC, Add Order: `price`)."""
    txid = alice.add(side, "trailing-stop", "0.1", price="+5%")
    venue.price(price)
    order = alice.order(txid)
    assert order["descr"]["price"] == "+5.0000%"
    assert order["descr"]["order"] == f"{side} 0.10000000 XBTUSD @ trailing stop +5.0000%"
    assert order["stopprice"] == f"{stop}.00000"
    venue.price(stop)
    assert alice.order(txid)["status"] == "closed"


def test_a_trailing_stop_in_per_cent_is_rounded_to_the_tick_as_recorded(venue: Venue, alice: Client) -> None:
    """A sale 50 % below 0.46847 stops at 0.23424, a purchase 50 % above 0.50527 at 0.75790 (CCXT, fetchOpenOrders)."""
    for side, price, stop in (("sell", "0.46847", "0.23424"), ("buy", "0.50527", "0.75790")):
        venue.price(price, "XRP/USD")
        order: dict[str, Any] = {
            "pair": "XRPUSD",
            "type": side,
            "ordertype": "trailing-stop",
            "volume": "10",
            "price": "+50%",
        }
        client = venue.client(side, balances={"USD": "100", "XRP": "10"})
        (txid,) = client.ok("AddOrder", **order)["txid"]
        row = client.order(txid)
        assert (row["stopprice"], row["limitprice"]) == (stop, price)


def test_the_limit_of_a_trailing_stop_in_per_cent_is_taken_from_its_trigger(venue: Venue, alice: Client) -> None:
    """`price2` is an offset from the trigger, also in per cent (SPEC, Add Order: `price2`)."""
    txid = alice.add("sell", "trailing-stop-limit", "0.1", price="+5%", price2="-1%")
    assert alice.order(txid)["descr"]["price2"] == "-1.0000%"
    venue.price("70000")
    venue.price("66500")
    order = alice.order(txid)
    assert (order["stopprice"], order["limitprice"]) == ("66500.00000", "65835.00000")


def test_a_trailing_stop_in_per_cent_can_be_edited_and_amended(venue: Venue, alice: Client) -> None:
    """What an edit does not name stays as it was (SPEC, Edit Order), so a percentage stays one."""
    old = alice.add("sell", "trailing-stop", "0.1", price="+5%")
    new = alice.ok("EditOrder", pair="XBTUSD", txid=old, volume="0.2")["txid"]
    assert alice.order(new)["descr"]["price"] == "+5.0000%"
    alice.ok("AmendOrder", txid=new, trigger_price="+10%")
    venue.price("70000")
    assert alice.order(new)["stopprice"] == "63000.00000"


def test_an_order_sized_in_quote_carries_its_flag(alice: Client) -> None:
    """`viqc` is a flag of the order (SPEC, `oflags`). Sources differ on the unit of `vol`: here it is base."""
    order = alice.order(alice.add("buy", "market", "600", oflags="viqc"))
    assert order["oflags"] == "fciq,viqc"
    assert order["vol"] == order["vol_exec"] == "0.00999900"


@pytest.mark.parametrize("kind", ["stop-loss", "take-profit", "stop-loss-limit", "take-profit-limit"])
def test_stop_and_limit_price_are_zero_until_the_trigger(venue: Venue, alice: Client, kind: str) -> None:
    """`0.00000` while it waits (CCXT, fetchOpenOrders); "triggered limit price" (SPEC, Get Open Orders)."""
    trigger = "58000" if kind.startswith("stop") else "62000"
    more: dict[str, Any] = {"price2": "64000"} if kind.endswith("limit") else {}
    txid = alice.add("sell", kind, "0.1", price=trigger, **more)
    order = alice.order(txid)
    assert (order["stopprice"], order["limitprice"]) == ("0.00000", "0.00000")
    venue.price(trigger)
    order = alice.order(txid)
    assert order["stopprice"] == f"{trigger}.00000"
    assert order["limitprice"] == ("64000.00000" if more else "0.00000")


def test_a_trailing_stop_shows_its_reference_as_limit_price(venue: Venue, alice: Client) -> None:
    """Stop 0.23424 and limit 0.46847 of a stop at 50 % (CCXT, fetchOpenOrders)."""
    txid = alice.add("sell", "trailing-stop", "0.1", price="+1000")
    venue.price("61000")
    order = alice.order(txid)
    assert (order["stopprice"], order["limitprice"]) == ("60000.00000", "61000.00000")


def test_misc_says_what_happened_to_an_order(venue: Venue, alice: Client) -> None:
    """`stopped`, `touched`, `partial`, `amended` (SPEC, Get Open Orders: `misc`)."""
    plain = alice.add("buy", "limit", "0.1", price="50000")
    assert alice.order(plain)["misc"] == ""
    alice.ok("AmendOrder", txid=plain, limit_price="50001")
    assert alice.order(plain)["misc"] == "amended"
    stopped = alice.add("sell", "stop-loss", "0.1", price="58000")
    assert alice.order(stopped)["misc"] == ""
    trailing = alice.add("sell", "trailing-stop", "0.1", price="+1000")
    venue.price("58000")
    assert [alice.order(txid)["misc"] for txid in (stopped, trailing)] == ["stopped", "stopped"]
    touched = alice.add("sell", "take-profit", "0.1", price="59000")
    venue.price("59000")
    assert alice.order(touched)["misc"] == "touched"
    venue.exchange.faults.arm("partial_fill_then_cancel", fraction=0.5)
    partial = alice.add("buy", "market", "0.1")
    assert (alice.order(partial)["vol_exec"], alice.order(partial)["misc"]) == ("0.05000000", "partial")


@pytest.mark.parametrize(("distance", "stop"), [("+1000", "59000"), ("+10%", "54000")])
def test_a_conditional_close_may_trail(venue: Venue, alice: Client, distance: str, stop: str) -> None:
    """`trailing-stop` is one of the types of `close[ordertype]` (SPEC, Add Order)."""
    close: dict[str, Any] = {"close[ordertype]": "trailing-stop", "close[price]": distance}
    text = alice.ok("AddOrder", **CLOSE, **close)["descr"]["close"]
    assert text == f"close position @ trailing stop {'+1000.0' if distance == '+1000' else '+10.0000%'}"
    venue.price("59000")
    ((txid, order),) = alice.ok("OpenOrders")["open"].items()
    assert (order["descr"]["ordertype"], order["descr"]["type"]) == ("trailing-stop", "sell")
    venue.price("60000")
    assert alice.order(txid)["stopprice"] == f"{stop}.00000"
    venue.price(stop)
    assert alice.order(txid)["status"] == "closed"


def test_a_conditional_close_may_trail_with_a_limit(venue: Venue, alice: Client) -> None:
    """`trailing-stop-limit` is one of the types of `close[ordertype]` (SPEC, Add Order)."""
    close: dict[str, Any] = {"close[ordertype]": "trailing-stop-limit", "close[price]": "+1000", "close[price2]": "-50"}
    alice.ok("AddOrder", **CLOSE, **close)
    venue.price("59000")
    ((txid, _),) = alice.ok("OpenOrders")["open"].items()
    venue.price("57999")
    assert alice.order(txid)["limitprice"] == "57950.00000"


@pytest.mark.parametrize(("price", "error"), [("1000", f"{ARGUMENTS}:close[price]"), ("+100%", "EOrder:Invalid price")])
def test_a_trailing_close_needs_a_distance_that_can_be_traded(alice: Client, price: str, error: str) -> None:
    """Trailing stops take a relative price with `+` (SPEC, Add Order: `price`)."""
    close: dict[str, Any] = {"close[ordertype]": "trailing-stop", "close[price]": price}
    assert alice.error("AddOrder", **CLOSE, **close) == error


@pytest.mark.parametrize(("ahead", "placed"), [("+2", False), ("+4", False), ("+5", True), ("4", False), ("6", True)])
def test_an_expiry_is_at_least_five_seconds_ahead(venue: Venue, alice: Client, ahead: str, placed: bool) -> None:
    """`+<n>`: minimum 5 seconds (SPEC, Add Order: `expiretm`). Of an absolute instant it is inferred."""
    when = ahead if ahead.startswith("+") else str(int(venue.clock.now()) + int(ahead))
    order: dict[str, Any] = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.1", "price": "50000"}
    answer = alice.call("AddOrder", **order, timeinforce="GTD", expiretm=when)
    assert answer["error"] == ([] if placed else [f"{ARGUMENTS}:expiretm"])


@pytest.mark.parametrize(
    ("ahead", "error"),
    [(-0.1, "EService:Deadline elapsed"), (0.7, f"{ARGUMENTS}:deadline"), (1.9, f"{ARGUMENTS}:deadline"), (2.1, "")],
)
def test_a_deadline_is_at_least_two_seconds_ahead(venue: Venue, alice: Client, ahead: float, error: str) -> None:
    """`min now() + 2 seconds` (SPEC, Add Order: `deadline`)."""
    order: dict[str, Any] = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.1"}
    assert alice.call("AddOrder", **order, deadline=at(venue, ahead))["error"] == ([error] if error else [])


def test_a_request_that_waited_at_the_venue_may_be_near_its_deadline(venue: Venue, alice: Client) -> None:
    """How far a deadline is ahead counts on arrival; the matching engine checks only whether it has passed (inferred)."""
    venue.exchange.faults.arm("delay_beyond_timeout_then_processed", seconds=9)
    order: dict[str, Any] = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.1"}
    waiting = alice.raw("AddOrder", **order, deadline=at(venue, 10))
    venue.clock.advance(9)
    alice.front.resume(waiting)  # type: ignore[arg-type]
    assert [row["verdict"] for row in venue.journal()] == ["ok"]


def test_query_orders_shows_only_orders_of_the_userref(alice: Client) -> None:
    """`userref` restricts the results (SPEC, Query Orders Info)."""
    one = alice.add("buy", "limit", "0.1", price="50000", userref=7)
    other = alice.add("buy", "limit", "0.1", price="50000")
    both = f"{one},{other}"
    assert alice.ok("QueryOrders", txid=one, userref=8) == {}
    assert list(alice.ok("QueryOrders", txid=both, userref=7)) == [one]
    assert set(alice.ok("QueryOrders", txid=both)) == {one, other}


def test_ledgers_begin_at_a_ledger_id(venue: Venue, alice: Client) -> None:
    """`start` and `end`: unix timestamp or ledger ID, exclusive and inclusive (SPEC, Get Ledgers Info)."""
    for _ in range(3):
        venue.clock.advance(10)
        alice.add("buy", "market", "0.1")
    rows = alice.ok("Ledgers", type="trade")["ledger"]
    newest_first = list(rows)
    assert len(newest_first) == 6
    middle = newest_first[2]
    assert set(alice.ok("Ledgers", start=middle)["ledger"]) == set(newest_first[:2])
    assert set(alice.ok("Ledgers", type="trade", end=middle)["ledger"]) == set(newest_first[2:])
    assert alice.error("Ledgers", start="LNO-SUCH") == f"{ARGUMENTS}:start"


@pytest.mark.parametrize(("method", "kind"), [("Ledgers", "nft_rebate"), ("TradesHistory", "closing position")])
def test_the_types_of_a_history_are_a_list(alice: Client, method: str, kind: str) -> None:
    """Each has an enumeration of types (SPEC, Get Ledgers Info and Get Trades History)."""
    assert alice.error(method, type="nonsense") == f"{ARGUMENTS}:type"
    assert alice.call(method, type=kind)["error"] == []


def test_market_data_has_five_decimals(venue: Venue) -> None:
    """Prices have five decimals whatever the pair has (SPEC, examples; RECORDED trades); candles have the pair's own."""
    ticker = venue.public("Ticker", pair="XBTUSD")["result"]["XXBTZUSD"]
    assert (ticker["a"][0], ticker["b"][0], ticker["c"][0]) == ("60006.00000", "59994.00000", "60000.00000")
    depth = venue.public("Depth", pair="XBTUSD", count=1)["result"]["XXBTZUSD"]
    assert (depth["asks"][0][0], depth["bids"][0][0]) == ("60006.00000", "59994.00000")
    spread = venue.public("Spread", pair="XBTUSD")["result"]["XXBTZUSD"]
    trades = venue.public("Trades", pair="XBTUSD")["result"]["XXBTZUSD"]
    prices = [*ticker["p"], *ticker["l"], *ticker["h"], ticker["o"], *spread[-1][1:], trades[-1][0]]
    assert {len(price.partition(".")[2]) for price in prices} == {5}
    candles = venue.public("OHLC", pair="XBTUSD")["result"]["XXBTZUSD"]
    assert {len(price.partition(".")[2]) for price in candles[-1][1:6]} == {1}


def test_a_pair_with_more_decimals_keeps_them(venue: Venue) -> None:
    """A tick of 0.0000001 cannot be shown with five decimals (inferred)."""
    ticker = venue.public("Ticker", pair="XDGUSD")["result"]["XDGUSD"]
    assert len(ticker["c"][0].partition(".")[2]) == 7


def test_the_time_has_a_short_year_and_a_padded_day() -> None:
    """`Wed,  9 Jan 19 01:50:54 +0000` and `Thu, 06 Jul 23 ...` (SPEC): both say that the year has two digits."""
    assert rfc1123(1_546_998_654) == "Wed,  9 Jan 19 01:50:54 +0000"
    assert rfc1123(1_700_000_000) == "Tue, 14 Nov 23 22:13:20 +0000"


def test_assets_have_their_own_margin_rates_and_decimals(venue: Venue) -> None:
    """`margin_rate` is a text and differs, XXDG shows 2 decimals (RECORDED); BCH has 10 and no margin rate (SPEC)."""
    assets = venue.public("Assets")["result"]
    rates = {name: assets[name].get("margin_rate") for name in ("XXBT", "XETH", "XXDG", "SOL", "ZUSD", "BCH")}
    assert rates == {"XXBT": "0.01", "XETH": "0.02", "XXDG": "0.02", "SOL": "0.02", "ZUSD": "0.036", "BCH": None}
    assert assets["XXBT"]["collateral_value"] == 0.99
    assert assets["XXDG"]["display_decimals"] == 2
    assert assets["BCH"]["decimals"] == 10


@pytest.mark.parametrize("method", ["CreateSubaccount", "AddExport", "Withdraw", "WithdrawMethods", "Earn/Allocate"])
def test_a_method_that_is_missing_here_needs_its_right_as_there(venue: Venue, alice: Client, method: str) -> None:
    """`EGeneral:Permission denied` without the right (PKS); rights: SPEC, by the name of the method."""
    assert alice.error(method, username="bob", email="bob@example.org") == "EGeneral:Permission denied"
    row = venue.journal()[-1]
    assert (row["method"], row["verdict"]) == (method, "EGeneral:Permission denied")


def test_a_key_with_the_right_learns_that_the_method_is_missing(venue: Venue) -> None:
    """It is so here only: README, what the paper exchange does not do."""
    client = venue.client("rich", permissions=["query-funds", "withdraw"])
    assert client.error("CreateSubaccount") == "EGeneral:Unknown method"
    assert venue.journal()[-1]["verdict"] == "EGeneral:Unknown method"


def test_order_rows_have_only_the_fields_that_apply(alice: Client) -> None:
    """Trigger and trades only where they were asked for, no reason where there is none, `fciq,post` (CCXT)."""
    resting = alice.add("buy", "limit", "0.1", price="50000", oflags="post,fciq")
    stop = alice.add("sell", "stop-loss", "0.1", price="50000")
    index = alice.add("sell", "stop-loss", "0.1", price="50000", trigger="index")
    done = alice.add("buy", "market", "0.1")
    rows = alice.ok("QueryOrders", txid=f"{resting},{stop},{index},{done}")
    assert rows[resting]["oflags"] == "fciq,post"
    assert ["trigger" in rows[txid] for txid in (resting, stop, index)] == [False, False, True]
    assert rows[index]["trigger"] == "index"
    assert not any("trades" in row or "reason" in row for row in rows.values())
    assert "reason" not in alice.ok("ClosedOrders")["closed"][done]
    assert len(alice.ok("QueryOrders", txid=done, trades="true")[done]["trades"]) == 1
