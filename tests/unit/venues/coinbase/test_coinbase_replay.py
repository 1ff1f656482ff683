"""How a recorded order is sent again, and in whose time an order's end is."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.submission import Submission
from shared.venues.coinbase.transport import CoinbaseApi
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.factory import HttpSession, open_coinbase
from shared.venues.venue_clock import VenueClock
from tests.unit.venues.coinbase.conftest import NAME, SECRET, TEXT, Recorder, request
from tests.unit.venues.coinbase_stub import ORDER, ORDER_ID, PRODUCT, CoinbaseStub, refused, reply, taken, token_of
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken_stub import Raw


async def test_a_recorded_text_is_sent_as_it_is_with_a_permit_of_its_own(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    odd = TEXT.replace(",", " ,\n")
    stub.answer("orders", taken())
    stub.answer(ORDER_ID, reply({"order": ORDER}))
    with capture_logs() as logs:
        assert (await venue.replay(odd, begin)).venue_order_id == ORDER_ID
    (arrived,), (outgoing,) = stub.sent("orders"), begin.outgoing
    assert arrived.body == outgoing.body == odd
    assert token_of(arrived)[1]["exp"] == outgoing.deadline_at // 1000
    assert begin.arrived == [0]
    assert logs == []


@pytest.mark.parametrize(
    "other",
    [
        {"market_market_ioc": {"base_size": "0.02"}},
        {"market_market_ioc": {"quote_size": "500"}},
        {"sor_limit_ioc": {"base_size": "0.01", "limit_price": "1"}},
        {},
    ],
)
async def test_an_older_order_of_another_size_is_what_counts_and_is_told(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, other: Any
) -> None:
    stub.answer("orders", taken())
    stub.answer(ORDER_ID, reply({"order": ORDER | {"order_configuration": other}}))
    with capture_logs() as logs:
        assert (await venue.replay(TEXT, begin)).venue_order_id == ORDER_ID
    assert [(each["event"], each["order"]) for each in logs] == [
        ("the venue's order differs from what was sent again", ORDER_ID)
    ]


async def test_the_same_amount_written_otherwise_does_not_differ(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    stub.answer("orders", taken())
    same = {"market_market_ioc": {"base_size": "0.0100", "rfq_disabled": False}}
    stub.answer(ORDER_ID, reply({"order": ORDER | {"order_configuration": same}}))
    with capture_logs() as logs:
        await venue.replay(TEXT, begin)
    assert logs == []


@pytest.mark.parametrize("other", [{"product_id": "ETH-USD"}, {"side": "SELL"}, {"client_order_id": "another"}])
async def test_a_record_of_another_order_leaves_it_unknown(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, other: Any
) -> None:
    stub.answer("orders", taken())
    stub.answer(ORDER_ID, reply({"order": ORDER | other}))
    with pytest.raises(OutcomeUnknown):
        await venue.replay(TEXT, begin)


async def test_a_record_that_is_not_shown_yet_changes_nothing(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    stub.answer("orders", taken())
    assert (await venue.replay(TEXT, begin)).venue_order_id == ORDER_ID  # the lookup answers 404


async def test_a_replay_that_is_called_a_duplicate_is_one(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    stub.answer("orders", refused(new_order_failure_reason="DUPLICATE_CLIENT_ORDER_ID"))
    with pytest.raises(Rejected) as told:
        await venue.replay(TEXT, begin)
    assert told.value.refusal is Refusal.DUPLICATE


def timed(stub: CoinbaseStub, http: HttpSession, clock: VenueClock) -> CoinbaseVenue:
    budget = CoinbaseBudget()
    return open_coinbase(
        url=stub.url, api_key=NAME, api_secret=SECRET, http=http, timeout=3, clock=clock, budget=budget
    )


async def test_no_order_leaves_before_the_venue_s_time_is_known(
    stub: CoinbaseStub, http: HttpSession, begin: Recorder
) -> None:
    venue = timed(stub, http, VenueClock("coinbase", wall=now))
    stub.answer("time", *[Raw(b"", 503)] * 9)
    with pytest.raises(Unavailable):
        await venue.place(request(), begin)
    stub.answer("time", *[Raw(b"", 503)] * 9)
    with pytest.raises(Unavailable):
        await venue.replay(TEXT, begin)
    assert (begin.outgoing, stub.sent("orders")) == ([], [])


async def test_a_clock_that_is_not_measured_dates_no_token(
    api: CoinbaseApi, stub: CoinbaseStub, begin: Recorder
) -> None:
    submission = Submission(api, CoinbaseBudget(), clock=VenueClock("coinbase", wall=now))
    with pytest.raises(Unavailable, match="has not been measured"):
        await submission.send(TEXT, begin)
    assert (begin.outgoing, stub.requests) == ([], [])


@pytest.mark.parametrize("ahead", [-600.0, 600.0])
@pytest.mark.parametrize("by_date", [True, False])
async def test_an_order_s_end_is_in_the_venue_s_time(
    stub: CoinbaseStub, http: HttpSession, begin: Recorder, ahead: float, by_date: bool
) -> None:
    clock = VenueClock("coinbase", wall=now)
    venue = timed(stub, http, clock)
    at = time.time() + ahead
    if by_date:
        headers = (f"Date: {formatdate(at, usegmt=True)}",)
        stub.answer("products", Raw(json.dumps({"products": [PRODUCT]}).encode(), 200, headers))
    else:
        stub.answer("time", reply({"iso": "x", "epochSeconds": str(int(at)), "epochMillis": str(int(at * 1000))}))
    stub.answer("orders", taken())
    await venue.place(request(deadline_at=int(at * 1000) + 30_000), begin)
    _, claims = token_of(stub.sent("orders")[0])
    assert at + 2 < claims["exp"] <= at + 8
    assert at - 4 <= claims["nbf"] <= at + 2
    assert begin.outgoing[0].deadline_at == claims["exp"] * 1000
