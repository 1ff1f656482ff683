"""One key, one lane: what is sent, in which order, with which nonce, and what is never sent again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from shared.domain.order import Side
from shared.domain.values.money import Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.factory import HttpSession, RateBudget, Tier, open_kraken
from shared.venues.fake import MemoryNonces
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.kraken.lane import KEY_IN_USE, NONCE_ADVANCE
from shared.venues.patience import ATTEMPTS
from shared.venues.port import OrderRequest, Outgoing
from tests.unit.venues.conftest import KEY, SECRET, now
from tests.unit.venues.kraken_stub import KrakenStub, Raw, refusal, result

BTC = Symbol("BTC", "USD")
BAD_NONCE = refusal("EAPI:Invalid nonce")
ORDER = OrderRequest(
    client_order_id="6d1b345e-2821-40e2-ad83-4ecb18a06876",
    symbol=BTC,
    side=Side.BUY,
    size=Quantity(Decimal("0.00010000"), "BTC"),
    limit_price=None,
    deadline_at=0,
)


class Fenced(Exception):  # noqa: N818  # stands for the bus's LeaseLost
    pass


def _order(seconds: float = 30) -> OrderRequest:
    return replace(ORDER, deadline_at=now() + int(seconds * 1000))


def _nonces_of(stub: KrakenStub) -> list[int]:
    return [int(request.form["nonce"]) for request in stub.requests if "nonce" in request.form]


async def test_calls_of_one_key_arrive_one_by_one_with_rising_nonces(venue: KrakenVenue, stub: KrakenStub) -> None:
    gate = asyncio.Event()
    stub.answer("BalanceEx", Raw(b'{"error":[],"result":{}}', gate=gate))
    calls = [asyncio.create_task(venue.balances()) for _ in range(5)]
    while not stub.sent("BalanceEx"):
        stub.arrived.clear()
        await stub.arrived.wait()
    await asyncio.sleep(0)
    assert len(stub.sent("BalanceEx")) == 1  # the others wait for the reply
    gate.set()
    await asyncio.gather(*calls)
    nonces = _nonces_of(stub)
    assert len(nonces) == 5
    assert nonces == sorted(set(nonces))


async def test_begin_is_called_inside_the_lane_and_its_nonce_is_sent(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces
) -> None:
    stub.answer("AddOrder", result({"txid": ["O1"]}))
    sent_before_begin: list[int] = []

    async def begin(_outgoing: Outgoing) -> int:
        sent_before_begin.append(len(stub.sent("AddOrder")))
        return await nonces.next(advance=41)

    assert (await venue.place(_order(), begin)).venue_order_id == "O1"
    assert sent_before_begin == [0]
    assert _nonces_of(stub) == [nonces.last]


async def test_what_begin_raises_passes_through_and_nothing_is_sent(venue: KrakenVenue, stub: KrakenStub) -> None:
    async def begin(_outgoing: Outgoing) -> int:
        raise Fenced

    with pytest.raises(Fenced):
        await venue.place(_order(), begin)
    assert stub.sent("AddOrder") == []
    await venue.balances()  # the lane is free again


async def test_an_order_whose_time_has_passed_is_not_begun(venue: KrakenVenue, stub: KrakenStub) -> None:
    async def begin(_outgoing: Outgoing) -> int:
        raise AssertionError("must not be called")

    with pytest.raises(Rejected) as refused:
        await venue.place(_order(-0.001), begin)
    assert refused.value.refusal is Refusal.DEADLINE
    assert stub.sent("AddOrder") == []


async def test_an_order_whose_time_passes_while_it_is_begun_is_not_sent(
    stub: KrakenStub, http: HttpSession, nonces: MemoryNonces
) -> None:
    at = now()
    venue = open_kraken(
        url=stub.url,
        api_key=KEY,
        api_secret=SECRET,
        nonces=nonces,
        http=http,
        timeout=1,
        clock=lambda: at,
        budget=RateBudget(None),
    )

    async def begin(_outgoing: Outgoing) -> int:
        nonlocal at
        at += 60_000
        return await nonces.next()

    with pytest.raises(Rejected) as refused:
        await venue.place(_order(), begin)
    assert refused.value.refusal is Refusal.DEADLINE
    assert stub.sent("AddOrder") == []


_SENT_MS = 3_000
"""From the start of a send to its deadline, with the time-out of these tests."""


@pytest.mark.parametrize("writing", [0, 400, 499, 500, 600, 900, 1_500, 2_999])
@pytest.mark.parametrize("refused_first", [False, True])
async def test_no_order_leaves_with_a_deadline_that_kraken_refuses(
    stub: KrakenStub, http: HttpSession, nonces: MemoryNonces, writing: int, refused_first: bool
) -> None:
    """Kraken refuses a deadline nearer than 2 s (KRAKEN.md, K9), also after a slow write-ahead and after a nonce retry.

    The slow step is the write-ahead, or the nonce of the retry. The way to Kraken has half a second.
    """
    at = now()
    venue = open_kraken(
        url=stub.url,
        api_key=KEY,
        api_secret=SECRET,
        nonces=nonces,
        http=http,
        timeout=1,
        clock=lambda: at,
        budget=RateBudget(None),
    )
    stub.answer("BalanceEx", result({}))
    await venue.balances()  # connected, which a busy machine may take longer for than an order does
    allocate = nonces.next

    async def slow(*, advance: int = 0) -> int:
        nonlocal at
        at += writing if bool(advance) is refused_first else 0
        return await allocate(advance=advance)

    nonces.next = slow  # type: ignore[method-assign]
    stub.answer("AddOrder", *([BAD_NONCE] if refused_first else []), result({"txid": ["O1"]}))
    in_time = writing < _SENT_MS - 2_500
    if in_time:
        await venue.place(_order(), nonces.begin)
    else:
        with pytest.raises(Rejected) as refused:
            await venue.place(_order(), nonces.begin)
        assert refused.value.refusal is Refusal.DEADLINE
    sent = stub.sent("AddOrder")
    assert len(sent) == refused_first + in_time
    left = [
        datetime.fromisoformat(each.form["deadline"]).timestamp() * 1000 - at for each in sent[int(refused_first) :]
    ]
    assert all(ahead > 2_500 for ahead in left)


async def test_an_invalid_nonce_is_answered_by_one_small_advance(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces
) -> None:
    stub.answer("AddOrder", BAD_NONCE, result({"txid": ["O1"]}))
    stub.answer("BalanceEx", BAD_NONCE, result({}))
    await venue.place(_order(), nonces.begin)
    await venue.balances()
    first, second, third, fourth = _nonces_of(stub)
    assert second - first == fourth - third == NONCE_ADVANCE + 1


@pytest.mark.parametrize("method", ["AddOrder", "BalanceEx"])
async def test_a_second_invalid_nonce_means_that_the_key_is_shared(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, method: str
) -> None:
    stub.answer(method, BAD_NONCE, BAD_NONCE, result({"txid": ["O1"]}))
    with pytest.raises(Rejected) as refused:
        await (venue.place(_order(), nonces.begin) if method == "AddOrder" else venue.balances())
    assert refused.value.refusal is Refusal.NONCE
    assert refused.value.words == KEY_IN_USE
    assert len(stub.sent(method)) == 2


async def test_the_retry_of_a_fenced_owner_is_not_sent(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces
) -> None:
    stub.answer("AddOrder", BAD_NONCE)

    async def begin(_outgoing: Outgoing) -> int:
        nonce = await nonces.next()
        nonces.fenced = Fenced()
        return nonce

    with pytest.raises(Fenced):
        await venue.place(_order(), begin)
    assert len(stub.sent("AddOrder")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        refusal("EService:Unavailable"),
        refusal("EAPI:Rate limit exceeded"),
        refusal("EGeneral:Internal error"),
        Raw(drop=True),
    ],
    ids=["unavailable", "rate", "internal", "drop"],
)
async def test_an_order_is_sent_once_whatever_the_answer(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, answer: Raw
) -> None:
    stub.answer("AddOrder", answer, result({"txid": ["O1"]}))
    with pytest.raises((OutcomeUnknown, Unavailable)):
        await venue.place(_order(), nonces.begin)
    assert len(stub.sent("AddOrder")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        result({"descr": {}}),
        result({}),
        result(None),
        refusal("WGeneral:Danger"),
        Raw(b'{"error":["EOrder:Insufficient funds"],"result":{"txid":["O1"]}}'),
    ],
    ids=["no txid", "empty", "null", "only a warning", "refused and named"],
)
async def test_a_success_without_a_name_or_a_contradiction_is_unknown(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, answer: Raw
) -> None:
    stub.answer("AddOrder", answer)
    with pytest.raises(OutcomeUnknown):
        await venue.place(_order(), nonces.begin)


async def test_a_warning_beside_an_order_is_a_success(
    venue: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces
) -> None:
    stub.answer("AddOrder", result({"txid": ["O1"]}, "WOrder:Something to know"))
    assert (await venue.place(_order(), nonces.begin)).venue_order_id == "O1"


async def test_a_lookup_is_asked_again_with_a_new_nonce_and_only_so_often(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("BalanceEx", Raw(drop=True), refusal("EService:Busy"), result({"ZUSD": {"balance": "1"}}))
    assert (await venue.balances())["USD"].total == 1
    stub.answer("BalanceEx", *[refusal("EService:Unavailable")] * (ATTEMPTS + 1))
    with pytest.raises(Unavailable):
        await venue.balances()
    nonces = _nonces_of(stub)
    assert len(nonces) <= 2 * ATTEMPTS
    assert nonces == sorted(set(nonces))


async def test_a_lookup_is_asked_three_times_while_the_venue_is_unavailable(
    venue: KrakenVenue, stub: KrakenStub
) -> None:
    stub.answer("BalanceEx", *[refusal("EService:Unavailable")] * ATTEMPTS, result({}))
    with pytest.raises(Unavailable):
        await venue.balances()
    assert len(stub.sent("BalanceEx")) == ATTEMPTS == 3


async def test_a_lookup_that_took_its_whole_time_is_not_asked_again(
    stub: KrakenStub, http: HttpSession, nonces: MemoryNonces
) -> None:
    venue = open_kraken(
        url=stub.url,
        api_key=KEY,
        api_secret=SECRET,
        nonces=nonces,
        http=http,
        timeout=2,
        clock=now,
        budget=RateBudget(None),
    )
    stub.answer("BalanceEx", Raw(gate=asyncio.Event()))  # silence, for as long as the time-out
    with pytest.raises(Unavailable):
        await venue.balances()
    assert len(stub.sent("BalanceEx")) == 1


async def test_a_lookup_that_is_answered_at_once_costs_no_apparatus_of_repetition(
    venue: KrakenVenue, stub: KrakenStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("stamina.retry_context")
    assert await venue.balances() == {}


async def test_a_refused_lookup_is_not_asked_again(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("BalanceEx", refusal("EGeneral:Temporary lockout"), result({}))
    with pytest.raises(Rejected) as refused:
        await venue.balances()
    assert refused.value.refusal is Refusal.LOCKED
    assert len(stub.sent("BalanceEx")) == 1


async def test_a_cancelled_call_leaves_the_lane_free(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("BalanceEx", Raw(gate=asyncio.Event()))
    call = asyncio.create_task(venue.balances())
    while not stub.sent("BalanceEx"):
        stub.arrived.clear()
        await stub.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await venue.balances() == {}


async def test_an_order_the_budget_has_no_room_for_is_not_begun(
    stub: KrakenStub, http: HttpSession, nonces: MemoryNonces
) -> None:
    venue = open_kraken(
        url=stub.url,
        api_key=KEY,
        api_secret=SECRET,
        nonces=nonces,
        http=http,
        timeout=1,
        clock=now,
        budget=RateBudget(Tier.STARTER),
    )
    stub.answer("AddOrder", refusal("EOrder:Rate limit exceeded"))
    with pytest.raises(Unavailable) as told:
        await venue.place(_order(), nonces.begin)
    assert told.value.retry_after == pytest.approx(2.0, abs=0.1)
    with pytest.raises(Unavailable):
        await venue.place(_order(seconds=1), nonces.begin)
    assert len(stub.sent("AddOrder")) == 1


async def test_what_the_venue_repeats_of_the_key_is_cut_out(venue: KrakenVenue, stub: KrakenStub) -> None:
    stub.answer("BalanceEx", refusal(f"EAPI:Invalid key:{KEY}"))
    with pytest.raises(Rejected) as refused:
        await venue.balances()
    assert refused.value.words == "EAPI:Invalid key:[key]"
