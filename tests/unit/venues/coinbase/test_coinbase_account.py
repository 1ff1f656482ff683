"""Wallets, fees, products, prices, candles and the venue's time, as Coinbase writes them."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest

from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.public import CoinbasePublic
from shared.venues.coinbase.transport import CoinbaseApi
from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.factory import HttpSession
from shared.venues.rows import Balance
from shared.venues.venue_clock import ExactTime, VenueClock
from tests.unit.venues.coinbase_stub import PRODUCT, CoinbaseStub, reply
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken_stub import Raw

BTC, ETH, USDC = Symbol("BTC", "USD"), Symbol("ETH", "USD"), Symbol("BTC", "USDC")
NOW = 1_795_363_245_000
"""A quarter of a minute before a full one, epoch ms."""


def wallet(currency: str, available: Any, hold: Any = "0", **more: Any) -> dict[str, Any]:
    return {
        "uuid": currency,
        "currency": currency,
        "available_balance": {"value": available, "currency": currency},
        "hold": {"value": hold, "currency": currency},
        "active": True,
        "ready": True,
        "type": "ACCOUNT_TYPE_CRYPTO",
    } | more


def wallets(*rows: Any, **more: Any) -> Raw:
    return reply({"accounts": list(rows), "has_next": False, "cursor": "", "size": len(rows)} | more)


async def test_wallets_are_of_all_pages_and_dollars_are_two(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer(
        "accounts",
        wallets(wallet("USD", "10.5", "2"), wallet("BTC", "0.1"), has_next=True, cursor="p2"),
        wallets(wallet("USDC", "3"), wallet("BTC", "0.2", "0.05")),
    )
    balances = await venue.balances()
    assert dict(balances) == {
        "USD": Balance("USD", Decimal("12.5"), Decimal("10.5")),
        "BTC": Balance("BTC", Decimal("0.35"), Decimal("0.3")),
        "USDC": Balance("USDC", Decimal(3), Decimal(3)),
    }
    first, second = [parse_qs(request.query) for request in stub.requests]
    assert first["limit"] == second["limit"] == ["250"]
    assert second["cursor"] == ["p2"]


@pytest.mark.parametrize(
    "more", [{"ready": False}, {"active": False}, {"type": "ACCOUNT_TYPE_VAULT"}, {"type": "VAULT"}]
)
async def test_what_cannot_be_traded_is_owned_and_not_free(venue: CoinbaseVenue, stub: CoinbaseStub, more: Any) -> None:
    stub.answer("accounts", wallets(wallet("ETH", "2", **more), wallet("ETH", "1")))
    assert (await venue.balances())["ETH"] == Balance("ETH", Decimal(3), Decimal(1))


@pytest.mark.parametrize(
    "bad", [wallet("BTC", "x"), wallet("BTC", "1", None), {"currency": "BTC"}, wallet("BTC", None)]
)
async def test_a_wallet_that_cannot_be_read_is_unknown_and_the_others_are_read(
    venue: CoinbaseVenue, stub: CoinbaseStub, bad: Any
) -> None:
    stub.answer("accounts", wallets(wallet("BTC", "1"), bad, wallet("USD", "5")))
    balances = await venue.balances()
    assert balances["USD"].free == 5
    with pytest.raises(Unavailable):
        balances["BTC"]


@pytest.mark.parametrize(
    "answer", [reply({}), reply({"accounts": ["x"]}), wallets(has_next=True), reply({"accounts": [{}]})]
)
async def test_wallets_that_cannot_be_read_are_never_an_empty_account(
    venue: CoinbaseVenue, stub: CoinbaseStub, answer: Raw
) -> None:
    stub.answer("accounts", *[answer] * 3)
    with pytest.raises(Unavailable):
        await venue.balances()


async def test_the_fee_is_the_account_s_and_asked_for_once(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    summary = {
        "total_volume": 1.5,
        "total_fees": 0,
        "fee_tier": {"pricing_tier": "Intro 1", "taker_fee_rate": "0.0075"},
    }
    stub.answer("transaction_summary", reply(summary))
    assert [await venue.taker_fee(symbol) for symbol in (BTC, ETH, BTC)] == [Decimal("0.0075")] * 3
    assert len(stub.requests) == 1


@pytest.mark.parametrize("summary", [{}, {"fee_tier": None}, {"fee_tier": {}}, {"fee_tier": {"taker_fee_rate": ""}}])
async def test_a_fee_that_is_not_named_is_the_base_tier_s(
    venue: CoinbaseVenue, stub: CoinbaseStub, summary: Any
) -> None:
    stub.answer("transaction_summary", reply(summary))
    assert await venue.taker_fee(BTC) == Decimal("0.012")


@pytest.mark.parametrize("rate", ["x", "NaN", [], {}, "1.2", "-0.001"])
async def test_a_fee_that_cannot_be_read_is_not_known(venue: CoinbaseVenue, stub: CoinbaseStub, rate: Any) -> None:
    stub.answer("transaction_summary", reply({"fee_tier": {"taker_fee_rate": rate}}))
    with pytest.raises(Unavailable):
        await venue.taker_fee(BTC)


def products(*rows: Any) -> Raw:
    return reply({"products": list(rows), "num_products": len(rows)})


async def test_a_product_has_its_steps_and_minimums(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    odd = PRODUCT | {
        "product_id": "ETH-USD",
        "quote_increment": "0.001",
        "price_increment": "0.05",
        "base_min_size": "0.001",
    }
    stub.answer("products", products(PRODUCT, odd, PRODUCT | {"product_id": "BTC-USDC", "alias": "BTC-USD"}))
    found = await venue.instruments()
    bitcoin = found[BTC]
    assert bitcoin.as_of is not None
    assert bitcoin == Instrument(
        BTC, Decimal("1E-8"), Decimal("0.01"), Decimal("1E-8"), Decimal(1), PairStatus.ONLINE, bitcoin.as_of
    )
    assert (found[ETH].tick, found[ETH].min_size) == (Decimal("0.05"), Decimal("0.001"))
    assert USDC in found
    assert stub.requests[0].path == "/api/v3/brokerage/market/products"
    assert "Authorization" not in stub.requests[0].headers
    assert await venue.renames() == {}


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ({}, PairStatus.ONLINE),
        ({"limit_only": True}, PairStatus.LIMIT_ONLY),
        ({"post_only": True}, PairStatus.POST_ONLY),
        ({"post_only": True, "limit_only": True}, PairStatus.POST_ONLY),
        *[({flag: True, "limit_only": True}, PairStatus.CANCEL_ONLY) for flag in ("cancel_only", "is_disabled")],
        *[({flag: True}, PairStatus.CANCEL_ONLY) for flag in ("trading_disabled", "view_only", "auction_mode")],
        ({"status": "offline"}, PairStatus.CANCEL_ONLY),
        ({"status": "delisted"}, PairStatus.CANCEL_ONLY),
        ({"status": ""}, PairStatus.ONLINE),
    ],
)
async def test_flags_say_which_orders_a_product_takes(
    venue: CoinbaseVenue, stub: CoinbaseStub, flags: dict[str, Any], status: PairStatus
) -> None:
    stub.answer("products", products(PRODUCT | flags))
    assert (await venue.instruments())[BTC].status is status


@pytest.mark.parametrize(
    "bad",
    [
        {"base_increment": "0"},
        {"price_increment": "-1"},
        {"quote_min_size": "x"},
        {"base_min_size": None},
        {"product_id": "ETH"},
        {"product_id": "BIT-28NOV26-CDE", "product_type": "FUTURE"},
    ],
)
async def test_a_product_that_cannot_be_traded_leaves_the_others(
    venue: CoinbaseVenue, stub: CoinbaseStub, bad: Any
) -> None:
    stub.answer("products", products(PRODUCT | {"product_id": "ETH-USD"} | bad, "no row", PRODUCT))
    assert list(await venue.instruments()) == [BTC]


async def test_an_old_list_stays_in_use_while_there_is_no_new_one(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    await venue.instruments()
    venue._public.distrust()
    stub.answer("products", *[Raw(b"", 500)] * 9)
    assert BTC in await venue.instruments()
    asked = len(stub.requests)
    assert BTC in await venue.instruments()
    assert len(stub.requests) == asked


@pytest.mark.parametrize("answer", [products(), products("x"), Raw(b"", 503), reply({"products": None})])
async def test_without_any_list_nothing_is_known(venue: CoinbaseVenue, stub: CoinbaseStub, answer: Raw) -> None:
    stub.answer("products", *[answer] * 9)
    with pytest.raises(Unavailable):
        await venue.instruments()


async def test_prices_are_last_trades_asked_for_in_one_call(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    named = [PRODUCT | {"product_id": name} for name in ("BTC-USD", "ETH-USD", "ADA-USD", "SOL-USD")]
    stub.answer("products", products(*named))
    await venue.instruments()
    given = [named[0], named[1] | {"price": ""}, named[2] | {"price": "0"}, named[3] | {"price": "x"}]
    stub.answer("products", products(*given))
    symbols = [Symbol(base, "USD") for base in ("BTC", "ETH", "ADA", "SOL", "NONE")]
    assert await venue.prices(symbols) == {BTC: Price(Decimal("50000.12"), BTC)}
    assert parse_qs(stub.requests[-1].query)["product_ids"] == ["BTC-USD", "ETH-USD", "ADA-USD", "SOL-USD"]
    assert await venue.prices([Symbol("NONE", "USD")]) == {}
    assert len(stub.requests) == 2


async def test_many_prices_are_asked_for_all_at_once(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    many = [PRODUCT | {"product_id": f"C{number}-USD"} for number in range(60)]
    stub.answer("products", products(*many), products(*many))
    assert len(await venue.prices(list(await venue.instruments()))) == 60
    assert "product_ids" not in parse_qs(stub.requests[-1].query)


def candle(start: int, **more: Any) -> dict[str, str]:
    return {"start": str(start), "low": "1", "high": "4", "open": "2", "close": "3", "volume": "5.5"} | more


async def test_candles_are_committed_oldest_first_and_gaps_stay(stub: CoinbaseStub, http: HttpSession) -> None:
    clock = ExactTime(lambda: NOW)
    public = CoinbasePublic(CoinbaseApi(url=stub.url, http=http, timeout=2, clock=clock), timeout=2, clock=clock)
    minute = NOW // 60_000 * 60
    rows = [candle(minute), candle(minute - 60), candle(minute - 120, close="x"), candle(minute - 300), {"start": "?"}]
    stub.answer("candles", reply({"candles": rows}))
    found = await public.candles(BTC, 1)
    assert [each.opened_at for each in found] == [(minute - 300) * 1000, (minute - 60) * 1000]
    assert [found[0].open, found[0].high, found[0].low, found[0].close] == [Decimal(n) for n in (2, 4, 1, 3)]
    query = parse_qs(stub.requests[-1].query)
    assert query["granularity"] == ["ONE_MINUTE"]
    assert (int(query["end"][0]) - int(query["start"][0])) // 60 < 350
    stub.answer("candles", reply({"candles": rows[1:2]}))
    assert len(await public.candles(BTC, 1)) == 1  # the newest one is over
    stub.answer("candles", reply({"candles": []}))
    assert await public.candles(BTC, 60) == []


@pytest.mark.parametrize(("symbol", "minutes"), [(BTC, 2), (BTC, 10_080), (ETH, 1)])
async def test_candles_that_the_venue_does_not_have_are_refused(
    venue: CoinbaseVenue, stub: CoinbaseStub, symbol: Symbol, minutes: int
) -> None:
    with pytest.raises(Rejected):
        await venue.candles(symbol, minutes)
    assert stub.sent("candles") == []


async def test_the_venue_s_time_is_read_in_milliseconds(stub: CoinbaseStub, http: HttpSession) -> None:
    clock = VenueClock("coinbase", wall=now)
    public = CoinbasePublic(CoinbaseApi(url=stub.url, http=http, timeout=2, clock=clock), timeout=2, clock=clock)
    at = round((time.time() + 300) * 1000)
    stub.answer("time", reply({"iso": "x", "epochSeconds": str(at // 1000), "epochMillis": str(at)}))
    await public.ask_time()
    assert clock.measured
    assert at <= clock() <= at + 1_000
    stub.answer("time", *[reply({"epochMillis": "soon"})] * 3)
    with pytest.raises(Unavailable):
        await public.ask_time()


async def test_a_refused_key_is_told_after_fresh_tokens(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("accounts", *[Raw(b"Unauthorized", 401)] * 4)
    with pytest.raises(Rejected) as told:
        await venue.balances()
    assert (told.value.refusal, len(stub.requests)) == (Refusal.AUTH, 4)
