"""How an order leaves: written ahead with its token's end, sent once, and believed only if it is the one that was asked for."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.order import Side
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import Outgoing
from tests.unit.venues.coinbase.conftest import BTC, TEXT, Recorder, request
from tests.unit.venues.coinbase_stub import ORDER_ID, PRODUCT, CoinbaseStub, refused, reply, taken, token_of
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken_stub import Raw

UNAUTHORIZED = Raw(b"Unauthorized", 401)


async def test_what_is_written_ahead_is_what_leaves(venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder) -> None:
    stub.answer("orders", taken())
    before = now()
    accepted = await venue.place(request(), begin)
    assert accepted.venue_order_id == ORDER_ID
    (outgoing,), (arrived,) = begin.outgoing, stub.sent("orders")
    assert begin.arrived == [0]
    assert arrived.body == outgoing.body == TEXT
    assert outgoing.deadline_at % 1000 == 0
    assert before + 6_000 <= outgoing.deadline_at <= now() + venue.order_life_ms
    assert token_of(arrived)[1]["exp"] == outgoing.deadline_at // 1000


@pytest.mark.parametrize(
    ("parts", "side", "configuration"),
    [
        ({"side": Side.SELL}, "SELL", {"market_market_ioc": {"base_size": "0.01"}}),
        ({"size": Quantity(Decimal("1E-8"), "BTC")}, "BUY", {"market_market_ioc": {"base_size": "0.00000001"}}),
        (
            {"limit_price": Price(Decimal("5.1E+4"), BTC), "size": Quantity(Decimal("1.0"), "BTC")},
            "BUY",
            {"sor_limit_ioc": {"base_size": "1", "limit_price": "51000"}},
        ),
        (
            {"limit_price": Price(Decimal("50000.10"), BTC), "side": Side.SELL},
            "SELL",
            {"sor_limit_ioc": {"base_size": "0.01", "limit_price": "50000.1"}},
        ),
    ],
)
async def test_a_limit_is_immediate_or_cancel_and_both_sides_are_sized_in_base(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, parts: Any, side: str, configuration: Any
) -> None:
    stub.answer("orders", taken(side=side))
    await venue.place(request(**parts), begin)
    content = json.loads(stub.sent("orders")[0].body, parse_float=str)
    assert (content["side"], {name: _plain(v) for name, v in content["order_configuration"].items()}) == (
        side,
        {name: _plain(v) for name, v in configuration.items()},
    )


def _plain(fields: dict[str, str]) -> dict[str, Decimal]:
    """Return the amounts; an exponent is no amount of Coinbase."""
    assert not [text for text in fields.values() if "E" in text.upper() or "+" in text]
    return {name: Decimal(text) for name, text in fields.items()}


async def test_what_begin_raises_stops_the_order(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    class Fenced(Exception):  # noqa: N818  # stands for the bus's LeaseLost
        pass

    async def fence(_outgoing: Outgoing) -> int:
        raise Fenced

    with pytest.raises(Fenced):
        await venue.place(request(), fence)
    with pytest.raises(Fenced):
        await venue.replay(TEXT, fence)
    assert stub.sent("orders") == []


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_a_refused_token_is_made_again_with_the_same_end_and_the_same_text(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, count: int
) -> None:
    stub.answer("orders", *[UNAUTHORIZED] * count, taken())
    await venue.place(request(), begin)
    arrived = stub.sent("orders")
    assert len(arrived) == count + 1
    assert {each.body for each in arrived} == {TEXT}
    assert {token_of(each)[1]["exp"] for each in arrived} == {begin.outgoing[0].deadline_at // 1000}
    assert len({token_of(each)[0]["nonce"] for each in arrived}) == count + 1
    assert len(begin.outgoing) == 1


async def test_four_refused_tokens_are_a_refused_key(venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder) -> None:
    stub.answer("orders", *[UNAUTHORIZED] * 4, taken())
    with pytest.raises(Rejected) as told:
        await venue.place(request(), begin)
    assert (told.value.refusal, len(stub.sent("orders"))) == (Refusal.AUTH, 4)


@pytest.mark.parametrize("before", [0, 3])
async def test_a_401_after_the_deadline_is_no_refused_key(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, before: int
) -> None:
    venue._submission.order_life_ms = 1_400
    gate = asyncio.Event()
    stub.answer("orders", *[UNAUTHORIZED] * before, replace(UNAUTHORIZED, gate=gate), taken())
    placing = asyncio.create_task(venue.place(request(), begin))
    while len(stub.sent("orders")) <= before:
        stub.arrived.clear()
        await stub.arrived.wait()
    await asyncio.sleep(max(begin.outgoing[0].deadline_at - now(), 0) / 1000 + 0.01)
    gate.set()
    with pytest.raises(Rejected) as told:
        await placing
    assert (told.value.refusal, len(stub.sent("orders"))) == (Refusal.DEADLINE, before + 1)


@pytest.mark.parametrize(("age_left", "told"), [(60_000, 7_000), (4_000, 4_000), (1_000, 2_000), (-60_000, 2_000)])
@pytest.mark.parametrize("again", [False, True])
async def test_the_token_ends_no_later_than_the_age(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, again: bool, age_left: int, told: int
) -> None:
    stub.answer("orders", taken())
    at = now()
    latest = at + age_left
    await (
        venue.replay(TEXT, begin, latest_at=latest)
        if again
        else venue.place(replace(request(), latest_at=latest), begin)
    )
    end = token_of(stub.sent("orders")[0])[1]["exp"] * 1000
    assert end == begin.outgoing[0].deadline_at
    assert at + told - 1_000 < end <= now() + told
    assert end <= max(latest, now() + venue.shortest_life_ms)


@pytest.mark.parametrize("again", [False, True])
async def test_a_slow_write_ahead_moves_no_end(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, again: bool
) -> None:
    async def slow(outgoing: Outgoing) -> int:
        await asyncio.sleep(1.1)
        return await begin(outgoing)

    stub.answer("orders", taken())
    await (venue.replay(TEXT, slow) if again else venue.place(request(), slow))
    assert token_of(stub.sent("orders")[0])[1]["exp"] * 1000 == begin.outgoing[0].deadline_at


@pytest.mark.parametrize("again", [False, True])
async def test_what_is_frozen_beyond_the_deadline_is_not_sent(
    venue: CoinbaseVenue, stub: CoinbaseStub, again: bool
) -> None:
    venue._submission.order_life_ms = 1_000

    async def freeze(_outgoing: Outgoing) -> int:
        time.sleep(1.05)  # noqa: ASYNC251  # a frozen process does nothing else either
        return 0

    with pytest.raises(Rejected) as told:
        await (venue.replay(TEXT, freeze) if again else venue.place(request(), freeze))
    assert (told.value.refusal, stub.sent("orders")) == (Refusal.DEADLINE, [])


async def test_an_order_that_must_not_begin_any_more_is_not_written_ahead(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    with pytest.raises(Rejected) as told:
        await venue.place(request(deadline_at=now() - 1), begin)
    assert (told.value.refusal, begin.outgoing, stub.sent("orders")) == (Refusal.DEADLINE, [], [])


@pytest.mark.parametrize(
    "answer", [Raw(drop=True), Raw(b"", 502), Raw(b'{"success":tr'), Raw(b'{"success":true}', length=400)]
)
async def test_after_a_refused_token_a_lost_answer_is_a_lost_answer(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, answer: Raw
) -> None:
    stub.answer("orders", UNAUTHORIZED, answer)
    with pytest.raises(OutcomeUnknown):
        await venue.place(request(), begin)
    assert len(stub.sent("orders")) == 2


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        taken(client_order_id="another"),
        taken(client_order_id=""),
        taken(product_id="BTC-USDC"),
        taken(side="SELL"),
        taken(order_id=""),
        taken(order_id=5),  # type: ignore[arg-type]
        reply({"success": True}),
        reply({"success": True, "order_id": ORDER_ID}),
        reply({"success": True, "success_response": None}),
        reply({"success": "true", "success_response": {"order_id": ORDER_ID}}),
        reply({"success_response": {"order_id": ORDER_ID}}),
        reply({}),
        reply({"success": False, "success_response": {"order_id": ORDER_ID}, "error_response": {"error": "X"}}),
    ],
)
async def test_an_answer_that_is_not_of_this_order_leaves_it_unknown(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, answer: Raw, again: bool
) -> None:
    stub.answer("orders", answer)
    with pytest.raises(OutcomeUnknown):
        await (venue.replay(TEXT, begin) if again else venue.place(request(), begin))
    assert len(stub.sent("orders")) == 1


async def test_a_refusal_has_the_venue_s_words_and_family(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    stub.answer("orders", refused(error="INSUFFICIENT_FUND", message="Insufficient balance in source account"))
    with pytest.raises(Rejected, match="Insufficient balance") as told:
        await venue.place(request(), begin)
    assert told.value.refusal is Refusal.FUNDS


@pytest.mark.parametrize("reason", ["INVALID_SIZE_PRECISION", "INVALID_BASE_SIZE_TOO_SMALL", "TRADING_DISABLED"])
async def test_a_refusal_that_speaks_of_the_product_makes_its_facts_old(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, reason: str
) -> None:
    await venue.instruments()
    stub.answer("orders", refused(error=reason))
    with pytest.raises(Rejected):
        await venue.place(request(), begin)
    stub.answer("products", reply({"products": [PRODUCT | {"quote_min_size": "5"}]}))
    assert (await venue.instruments())[BTC].min_cost == 5


async def test_an_old_list_of_products_delays_no_order(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    await venue.instruments()
    venue._public.distrust()
    stub.answer("orders", taken())
    await venue.place(request(), begin)
    assert len(stub.sent("products")) == 1


async def test_a_product_that_is_not_listed_is_refused_here(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    with pytest.raises(Rejected, match="lists no spot product DOGE/USD"):
        await venue.place(request(symbol=Symbol("DOGE", "USD")), begin)
    assert begin.outgoing == []


async def test_a_429_waits_as_long_as_it_says(venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder) -> None:
    stub.answer("orders", Raw(b"<html>", 429, ("Retry-After: 9",)))
    with pytest.raises(Unavailable) as told:
        await venue.place(request(), begin)
    assert (told.value.retry_after, len(stub.sent("orders"))) == (9.0, 1)
