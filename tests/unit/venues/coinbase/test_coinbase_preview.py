"""An order that Coinbase only previews: what is posted and where, and what its answers mean."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.values.money import Price
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.questions import Questions
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.transport import CoinbaseApi
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.patience import ATTEMPTS
from tests.unit.venues.coinbase.conftest import BTC, request
from tests.unit.venues.coinbase_stub import CoinbaseStub, reply

ORDER = request(limit_price=Price(Decimal(50_000), BTC))


async def test_the_order_is_posted_to_the_preview_and_nowhere_else(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("preview", reply({"errs": [], "preview_id": "1"}))
    await venue.validate(ORDER)
    (arrived,) = [each for each in stub.requests if each.verb == "POST"]
    assert arrived.path.endswith("/orders/preview")
    assert json.loads(arrived.body) == {
        "product_id": "BTC-USD",
        "side": "BUY",
        "order_configuration": {"sor_limit_ioc": {"base_size": "0.01", "limit_price": "50000"}},
    }


async def test_a_refusal_is_in_coinbases_words(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("preview", reply({"errs": ["PREVIEW_INSUFFICIENT_FUND"]}))
    with pytest.raises(Rejected, match="PREVIEW_INSUFFICIENT_FUND") as refused:
        await venue.validate(ORDER)
    assert refused.value.refusal is Refusal.FUNDS


@pytest.mark.parametrize("answer", [{"order_id": "1"}, {"success": True, "success_response": {"order_id": "1"}}])
async def test_an_answer_that_names_an_order_is_in_doubt(venue: CoinbaseVenue, stub: CoinbaseStub, answer: Any) -> None:
    stub.answer("preview", reply(answer))
    with pytest.raises(OutcomeUnknown):
        await venue.validate(ORDER)
    assert len([each for each in stub.requests if each.verb == "POST"]) == 1


async def test_an_answer_to_something_else_is_no_verdict(venue: CoinbaseVenue, stub: CoinbaseStub) -> None:
    stub.answer("preview", *[reply({"accounts": []})] * ATTEMPTS)
    with pytest.raises(Unavailable):
        await venue.validate(ORDER)


async def test_an_order_is_no_question(api: CoinbaseApi, stub: CoinbaseStub) -> None:
    with pytest.raises(TypeError, match="an order is not a question"):
        await Questions(api, CoinbaseBudget(), timeout=1).ask("/orders", body="{}")
    assert stub.requests == []
