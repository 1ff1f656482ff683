"""AddOrder: what is accepted, what is refused with which words, and what it does to balances and holds."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.paper_exchange.venue import Client, Venue

UUID = "6d1b345e-2821-40e2-ad83-4ecb18a06876"


def test_a_market_buy_fills_at_the_ask_and_pays_the_taker_fee_in_quote(alice: Client) -> None:
    order = alice.order(alice.add("buy", "market", "0.5"))
    assert (order["status"], order["vol"], order["vol_exec"]) == ("closed", "0.50000000", "0.50000000")
    assert (order["price"], order["cost"], order["fee"]) == ("60006.00000", "30003.00000", "120.01200")
    assert order["descr"]["order"] == "buy 0.50000000 XBTUSD @ market"
    assert order["descr"]["price"] == "0"
    assert alice.balance("ZUSD") == Decimal("100000") - Decimal("30003") - Decimal("120.012")
    assert alice.balance("XXBT") == Decimal("2.5")


def test_a_market_sell_fills_at_the_bid(alice: Client) -> None:
    order = alice.order(alice.add("sell", "market", "0.5"))
    assert (order["price"], order["cost"], order["fee"]) == ("59994.00000", "29997.00000", "119.98800")
    assert alice.balance("ZUSD") == Decimal("100000") + Decimal("29997") - Decimal("119.988")
    assert alice.balance("XXBT") == Decimal("1.5")


def test_the_price_stands_exactly_where_it_is_put_while_the_market_is_frozen(venue: Venue, alice: Client) -> None:
    venue.price("61234.5")
    venue.clock.advance(3600)
    ticker = venue.public("Ticker", pair="XBTUSD")["result"]["XXBTZUSD"]
    assert (ticker["c"][0], ticker["a"][0], ticker["b"][0]) == ("61234.50000", "61240.70000", "61228.30000")
    assert alice.order(alice.add("buy", "market", "0.1"))["price"] == "61240.70000"


def test_the_fee_is_taken_in_base_when_fcib_asks_for_it(alice: Client) -> None:
    order = alice.order(alice.add("buy", "market", "0.5", oflags="fcib"))
    assert (order["oflags"], order["fee"]) == ("fcib", "0.00200")
    assert alice.balance("XXBT") == Decimal("2.498")
    assert alice.balance("ZUSD") == Decimal("69997")


def test_a_large_order_slips_into_the_depth(venue: Venue) -> None:
    whale = venue.client("whale", balances={"USD": "10000000"})
    order = whale.order(whale.add("buy", "market", "20"))
    assert len(order["trades"]) > 5
    assert Decimal(order["price"]) > 60010
    prices = [Decimal(t["price"]) for t in whale.ok("TradesHistory")["trades"].values()]
    assert sorted(prices, reverse=True) == prices
    assert prices[-1] == 60006


def test_a_limit_below_the_market_rests_holds_its_cost_and_fee_and_fills_as_maker(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "0.5", price="59000")
    assert alice.order(txid)["status"] == "open"
    assert alice.held("ZUSD") == Decimal("29618")  # 29500 and 0.4 % of it
    venue.price("59000.1")
    assert alice.order(txid)["status"] == "open"
    venue.price("59000")
    order = alice.order(txid)
    assert (order["status"], order["price"], order["fee"]) == ("closed", "59000.00000", "73.75000")
    assert alice.held("ZUSD") == 0
    (trade,) = alice.ok("TradesHistory")["trades"].values()
    assert (trade["maker"], trade["ordertxid"], trade["pair"]) == (True, txid, "XXBTZUSD")


def test_a_resting_order_does_not_fill_while_the_market_stands_still(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "0.5", price="60003")  # inside the spread
    venue.clock.advance(3600)
    assert alice.order(txid)["status"] == "open"


def test_a_limit_never_trades_against_a_price_from_before_it_came(venue: Venue, alice: Client) -> None:
    venue.price("50000")
    venue.price("60000")
    txid = alice.add("buy", "limit", "0.5", price="55000")
    venue.price("59999")
    assert alice.order(txid)["status"] == "open"


def test_a_crossing_limit_takes_what_its_price_allows_and_rests_with_the_rest(venue: Venue) -> None:
    whale = venue.client("whale", balances={"USD": "10000000"})
    order = whale.order(whale.add("buy", "limit", "20", price="60010"))
    filled = Decimal(order["vol_exec"])
    assert order["status"] == "open"
    assert 0 < filled < 20
    assert Decimal(order["price"]) <= 60010
    assert whale.held("ZUSD") == ((20 - filled) * 60010 * Decimal("1.0024")).quantize(Decimal("0.0001"), "ROUND_DOWN")


def test_a_touched_large_order_fills_piece_by_piece(venue: Venue) -> None:
    whale = venue.client("whale", balances={"USD": "1000000"})
    txid = whale.add("buy", "limit", "10", price="59000")
    fills = []
    for _ in range(12):
        venue.price("59000")
        fills.append(Decimal(whale.order(txid)["vol_exec"]))
    assert 0 < fills[0] < 10
    assert fills == sorted(fills)
    assert whale.order(txid)["status"] == "closed"


def test_immediate_or_cancel_fills_what_it_can_and_cancels_the_rest(venue: Venue) -> None:
    whale = venue.client("whale", balances={"USD": "10000000"})
    order = whale.order(whale.add("buy", "limit", "20", price="60010", timeinforce="IOC"))
    assert order["status"] == "canceled"
    assert 0 < Decimal(order["vol_exec"]) < 20
    assert whale.held("ZUSD") == 0
    nothing = whale.order(whale.add("buy", "limit", "1", price="50000", timeinforce="IOC"))
    assert (nothing["status"], nothing["vol_exec"]) == ("canceled", "0.00000000")


def test_fill_or_kill_fills_all_or_nothing(venue: Venue) -> None:
    whale = venue.client("whale", balances={"USD": "10000000"})
    killed = whale.order(whale.add("buy", "limit", "20", price="60010", timeinforce="FOK"))
    assert (killed["status"], killed["vol_exec"]) == ("canceled", "0.00000000")
    filled = whale.order(whale.add("buy", "limit", "1", price="60010", timeinforce="FOK"))
    assert (filled["status"], filled["vol_exec"]) == ("closed", "1.00000000")
    assert whale.refused("buy", "market", "1", timeinforce="FOK") == "EGeneral:Invalid arguments:timeinforce"


def test_good_till_date_expires_on_the_wall_clock_and_gives_its_hold_back(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "0.5", price="50000", timeinforce="GTD", expiretm="+60")
    venue.clock.advance(59)
    assert alice.order(txid)["status"] == "open"
    venue.clock.advance(2)
    assert alice.order(txid)["status"] == "expired"
    assert alice.held("ZUSD") == 0
    assert alice.refused("buy", "limit", "1", price="50000", timeinforce="GTD") == "EGeneral:Invalid arguments:expiretm"


def test_a_scheduled_order_is_pending_until_its_start(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "market", "0.1", starttm="+30")
    assert alice.order(txid)["status"] == "pending"
    venue.clock.advance(31)
    assert alice.order(txid)["status"] == "closed"


def test_post_only_rests_or_is_refused(alice: Client) -> None:
    assert alice.order(alice.add("buy", "limit", "0.1", price="59994", oflags="post"))["oflags"] == "fciq,post"
    assert alice.refused("buy", "limit", "0.1", price="60006", oflags="post") == "EOrder:Post only order"
    assert alice.refused("buy", "market", "0.1", oflags="post") == "EGeneral:Invalid arguments:oflags"


def test_viqc_spends_an_amount_of_quote(alice: Client) -> None:
    order = alice.order(alice.add("buy", "market", "3000.3", oflags="viqc"))
    assert order["vol_exec"] == "0.05000000"
    assert order["cost"] == "3000.30000"
    assert alice.refused("sell", "market", "3000", oflags="viqc") == "EGeneral:Invalid arguments:viqc"
    assert alice.refused("buy", "limit", "3000", price="50000", oflags="viqc") == "EGeneral:Invalid arguments:viqc"


@pytest.mark.parametrize("text", ["true", "True", "1"])
def test_validate_checks_and_places_nothing(venue: Venue, alice: Client, text: str) -> None:
    order: dict[str, Any] = {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "50000",
        "volume": "1",
        "validate": text,
    }
    assert alice.ok("AddOrder", **order) == {"descr": {"order": "buy 1.00000000 XBTUSD @ limit 50000.0"}}
    assert venue.exchange.journal.orders == []
    assert alice.error("AddOrder", **{**order, "volume": "0"}) == "EGeneral:Invalid arguments:volume"


@pytest.mark.parametrize("text", ["False", "false", "0", ""])
def test_validate_false_places_a_real_order(alice: Client, text: str) -> None:
    assert alice.add("buy", "limit", "1", price="50000", validate=text, reduce_only="False", starttm="0")


@pytest.mark.parametrize("pair", ["XXBTZUSD", "XBTUSD", "BTC/USD", "BTCUSD"])
def test_a_pair_goes_by_its_id_its_altname_or_its_symbol(alice: Client, pair: str) -> None:
    assert alice.order(alice.add("buy", "market", "0.1", pair=pair))["descr"]["pair"] == "XBTUSD"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"pair": "XBT/USD"}, "EQuery:Unknown asset pair"),
        ({"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ({"pair": ""}, "EGeneral:Invalid arguments:pair"),
        ({"type": "hold"}, "EGeneral:Invalid arguments:type"),
        ({"ordertype": "wish"}, "EGeneral:Invalid arguments:ordertype"),
        ({"volume": "0"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "-1"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "1e-5"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "NaN"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "Infinity"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "0.00004999"}, "EGeneral:Invalid arguments:volume minimum not met"),
        ({"volume": "10000000"}, "EOrder:Insufficient funds"),
        ({"volume": "99999999999"}, "EOrder:Insufficient funds"),
        ({"volume": "99999999999999999999"}, "EGeneral:Invalid arguments:volume"),
        ({"price": "0"}, "EOrder:Invalid price"),
        ({"price": ""}, "EGeneral:Invalid arguments:price"),
        ({"price": "cheap"}, "EGeneral:Invalid arguments:price"),
        ({"price": "50000.12"}, "EOrder:Invalid price:BTC/USD price can only be specified up to 1 decimals."),
        ({"price": "0.1", "volume": "1"}, "EOrder:Cost minimum not met"),
        ({"oflags": "magic"}, "EGeneral:Invalid arguments:oflags"),
        ({"timeinforce": "SOON"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"leverage": "2"}, "EOrder:Margin allowance exceeded"),
        ({"reduce_only": "true"}, "EOrder:Reduce only:No position exists"),
        ({"cl_ord_id": UUID, "userref": "7"}, "EGeneral:Invalid arguments:cl_ord_id"),
        (
            {"cl_ord_id": UUID, "close[ordertype]": "limit", "close[price]": "70000"},
            "EGeneral:Invalid arguments:cl_ord_id",
        ),
        ({"cl_ord_id": "a text of nineteen."}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"userref": str(2**31)}, "EGeneral:Invalid arguments:userref"),
        ({"validate": "maybe"}, "EGeneral:Invalid arguments:validate"),
        ({"displayvol": "1"}, "EGeneral:Invalid arguments:displayvol"),
    ],
)
def test_a_bad_order_is_refused_with_the_venues_words(alice: Client, changes: dict[str, Any], error: str) -> None:
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "50000", "volume": "0.1", **changes}
    assert alice.error("AddOrder", **order) == error


def test_trailing_zeros_are_no_decimals_too_many(alice: Client) -> None:
    assert alice.add("buy", "limit", "0.1", price="50000.1000")


def test_digits_beyond_the_lot_step_are_cut_off(alice: Client) -> None:
    assert alice.order(alice.add("buy", "limit", "0.123456789", price="50000"))["vol"] == "0.12345678"


def test_relative_prices_are_taken_from_the_last_price(alice: Client) -> None:
    assert alice.order(alice.add("buy", "limit", "0.1", price="-1000"))["descr"]["price"] == "59000.0"
    assert alice.order(alice.add("sell", "limit", "0.1", price="+5%"))["descr"]["price"] == "63000.0"
    assert alice.order(alice.add("buy", "limit", "0.1", price="#10%"))["descr"]["price"] == "54000.0"


@pytest.mark.parametrize("client_id", [UUID, UUID.replace("-", ""), "short-1", "x" * 18])
def test_a_client_id_is_unique_among_open_orders_only(alice: Client, client_id: str) -> None:
    txid = alice.add("buy", "limit", "0.1", price="50000", cl_ord_id=client_id)
    assert alice.refused("buy", "limit", "0.1", price="50000", cl_ord_id=client_id) == "EOrder:Duplicate order"
    alice.ok("CancelOrder", cl_ord_id=client_id)
    first, second = (alice.add("buy", "market", "0.1", cl_ord_id=client_id) for _ in range(2))
    assert first != second, "a blind retry after a fill is a second fill"
    assert set(alice.ok("ClosedOrders", cl_ord_id=client_id)["closed"]) == {txid, first, second}


def deadline(venue: Venue, seconds: float) -> str:
    return datetime.fromtimestamp(venue.clock.now() + seconds, UTC).isoformat()


def test_an_order_after_its_deadline_is_refused(venue: Venue, alice: Client) -> None:
    assert alice.refused("buy", "market", "0.1", deadline=deadline(venue, -0.001)) == "EService:Deadline elapsed"
    assert alice.add("buy", "market", "0.1", deadline=deadline(venue, 5))
    assert alice.add("buy", "market", "0.1", deadline=deadline(venue, 5).replace("+00:00", "Z"))
    assert alice.refused("buy", "market", "0.1", deadline=deadline(venue, 90)) == "EGeneral:Invalid arguments:deadline"
    assert alice.refused("buy", "market", "0.1", deadline="tomorrow") == "EGeneral:Invalid arguments:deadline"


def test_what_is_held_cannot_be_spent_twice(alice: Client) -> None:
    alice.add("buy", "limit", "1.5", price="60000")
    assert alice.refused("buy", "market", "0.2") == "EOrder:Insufficient funds"
    assert alice.add("buy", "market", "0.1")
    alice.add("sell", "limit", "2", price="70000")
    assert alice.refused("sell", "market", "0.2") == "EOrder:Insufficient funds"
    assert alice.add("sell", "market", "0.1")


def test_the_fee_counts_when_funds_are_checked(venue: Venue) -> None:
    client = venue.client("exact", balances={"USD": "6024.6024"})
    assert client.refused("buy", "market", "0.1001") == "EOrder:Insufficient funds"
    assert client.add("buy", "market", "0.1")
    assert client.balance("ZUSD") == 0


def test_an_order_that_would_meet_the_accounts_own_is_stopped(alice: Client) -> None:
    resting = alice.add("sell", "limit", "0.5", price="60006")
    taker = alice.order(alice.add("buy", "limit", "0.5", price="60010"))
    assert (taker["status"], taker["vol_exec"]) == ("canceled", "0.00000000")
    assert alice.order(resting)["status"] == "open"
    newest = alice.order(alice.add("buy", "limit", "0.5", price="60010", stptype="cancel-oldest"))
    assert newest["status"] == "closed"
    assert alice.order(resting)["status"] == "canceled"


def test_fees_fall_with_the_volume_of_thirty_days(venue: Venue) -> None:
    client = venue.client("busy", balances={"USD": "1000000"})
    assert client.ok("TradeVolume", pair="XBTUSD")["fees"]["XXBTZUSD"]["fee"] == "0.4000"
    client.add("buy", "market", "1")
    volume = client.ok("TradeVolume", pair="XBTUSD")
    assert (volume["volume"], volume["currency"]) == ("60006.0000", "ZUSD")
    assert (volume["fees"]["XXBTZUSD"]["fee"], volume["fees_maker"]["XXBTZUSD"]["fee"]) == ("0.2400", "0.1400")
    assert client.order(client.add("buy", "market", "0.1"))["fee"] == "14.40144"
    venue.clock.advance(31 * 86400)
    assert client.ok("TradeVolume", pair="XBTUSD")["fees"]["XXBTZUSD"]["fee"] == "0.4000"


def test_iceberg_orders_rest_like_limits(alice: Client) -> None:
    txid = alice.add("buy", "iceberg", "1.5", price="50000", displayvol="0.1")
    assert alice.order(txid)["display_volume"] == "0.10000000"
    assert (
        alice.refused("buy", "iceberg", "1.6", price="50000", displayvol="0.1")
        == "EGeneral:Invalid arguments:displayvol"
    )


def test_a_margin_order_moves_no_coin_and_its_row_says_so(venue: Venue) -> None:
    client = venue.client("margin", margin=True)
    short = client.order(client.add("sell", "market", "1", leverage="2"))
    assert (short["descr"]["leverage"], short["vol_exec"], short["status"]) == ("2:1", "1.00000000", "closed")
    assert client.balance("XXBT") == 2
    (position,) = client.ok("OpenPositions").values()
    assert (position["type"], position["vol"], position["pair"]) == ("sell", "1.00000000", "XXBTZUSD")
    before = client.balance("ZUSD")
    venue.price("50000")
    cover = client.order(client.add("buy", "market", "1", leverage="2:1"))
    made = Decimal(short["price"]) - Decimal(cover["price"])
    assert client.balance("ZUSD") == before + made - Decimal(cover["fee"])
    assert client.ok("OpenPositions") == []
    assert client.refused("buy", "market", "1", leverage="7") == "EGeneral:Invalid arguments:leverage"
    assert client.refused("buy", "market", "100", leverage="2") == "EOrder:Insufficient funds"
