"""An order that Kraken only checks: what is sent, and that no other AddOrder can be a lookup."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.values.money import Price
from shared.venues.errors import OutcomeUnknown, Rejected, Unavailable
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.patience import ATTEMPTS
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken.test_kraken_lane import BTC, ORDER, _nonces_of
from tests.unit.venues.kraken_stub import KrakenStub, Raw, refusal, result

CHECKED = result({"descr": {"order": "buy 0.0001 XBTUSD @ limit 50000"}})


async def check(venue: KrakenVenue) -> None:
    await venue.validate(replace(ORDER, limit_price=Price(Decimal(50_000), BTC), deadline_at=now() + 30_000))


async def test_the_very_order_is_sent_with_validate(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("AddOrder", CHECKED)
    await check(venue)
    (arrived,) = stub.sent("AddOrder")
    assert {name: value for name, value in arrived.form.items() if name not in {"nonce", "deadline"}} == {
        "validate": "true",
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "volume": "0.0001",
        "price": "50000",
        "timeinforce": "IOC",
        "oflags": "fciq",
        "cl_ord_id": ORDER.client_order_id,
    }


async def test_every_repetition_of_a_check_is_a_check(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("AddOrder", refusal("EService:Unavailable"), refusal("EAPI:Invalid nonce"), CHECKED)
    await check(venue)
    forms = [each.form for each in stub.sent("AddOrder")]
    assert [form["validate"] for form in forms] == ["true"] * 3
    nonces = _nonces_of(stub)
    assert nonces == sorted(set(nonces))


async def test_a_refusal_is_in_krakens_words(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("AddOrder", refusal("EOrder:Insufficient funds"))
    with pytest.raises(Rejected, match="Insufficient funds"):
        await check(venue)


async def test_a_lost_answer_to_a_check_is_unavailable_and_not_in_doubt(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("AddOrder", *[Raw(drop=True)] * ATTEMPTS)
    with pytest.raises(Unavailable):
        await check(venue)


async def test_an_answer_that_names_an_order_is_in_doubt_and_never_repeated(
    venue: KrakenVenue, stub: KrakenStub
) -> None:
    stub.answer("AddOrder", result({"descr": {"order": "buy"}, "txid": ["OABCDE-FGHIJ-KLMNOP"]}))
    with pytest.raises(OutcomeUnknown, match="answered a check with the order OABCDE-FGHIJ-KLMNOP"):
        await check(venue)
    assert len(stub.sent("AddOrder")) == 1


@pytest.mark.parametrize("form", [{}, {"validate": ""}, {"validate": "false"}, {"validate": "1"}])
async def test_an_order_that_is_not_only_checked_is_no_lookup(
    venue: KrakenVenue, stub: KrakenStub, form: dict[str, str]
) -> None:
    with pytest.raises(TypeError, match="an order is not a lookup"):
        await venue._lane.look_up("AddOrder", {"pair": "XXBTZUSD", **form})
    assert stub.sent("AddOrder") == []
