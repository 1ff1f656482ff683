"""Every way in which the paper exchange can misbehave, and the leaf that the adapter makes of it.

For each fault also what the venue's own journal says happened, since the leaf is a promise about exactly that: Unavailable and
Rejected mean no order, OutcomeUnknown means either.
"""

from __future__ import annotations

import asyncio
import io
import time
import traceback
from decimal import Decimal
from uuid import uuid4

import pytest
import structlog

from shared.domain.order import Side
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, VenueError
from shared.venues.factory import Tier
from shared.venues.fake import MemoryNonces
from shared.venues.kraken.lane import KEY_IN_USE
from shared.venues.port import Outgoing, VenueOrderStatus
from tests.contract.venues.benches import BTC, SHORT, KrakenBench, kraken_bench, now, request

IN_DOUBT_BUT_TAKEN = [
    "processed_then_reply_dropped",
    "502_after_accept",
    "html_error_page",
    "truncated_json",
    "unavailable_after_accept",
    "internal_error_after_accept",
    "response_moves_order_id",
    "slow_reply",
]
IN_DOUBT_AND_NOT_TAKEN = [
    "drop_before_process",
    "http_502",
    "http_503",
    "http_520",
    "hang",
    "html_error_page_before_accept",
    "unavailable_before_accept",
    "busy",
]
NOT_PROCESSED = ["http_429", "rate_limited", "order_rate_limited", "throttled", "too_many_requests"]
REFUSED = [
    ("key_revoked_mid_run", Refusal.AUTH),
    ("permission_denied", Refusal.AUTH),
    ("account_disabled", Refusal.AUTH),
    ("temporary_lockout", Refusal.LOCKED),
    ("cancel_only_mode", Refusal.HALTED),
    ("post_only_mode", Refusal.HALTED),
    ("pair_halted", Refusal.HALTED),
    ("ordermin_raised_mid_run", Refusal.MINIMUM),
]


async def _strike(bench: KrakenBench, fault: str) -> VenueError:
    await bench.paper.fault(fault, user=bench.user, method="AddOrder", count=1)
    with pytest.raises(VenueError) as told:
        await bench.venue.place(request(str(uuid4())), bench.nonces.begin)
    await bench.paper.cure()
    return told.value


@pytest.mark.parametrize("fault", IN_DOUBT_BUT_TAKEN)
async def test_an_order_that_was_taken_is_in_doubt_and_then_found(kraken: KrakenBench, fault: str) -> None:
    since = now()
    assert isinstance(await _strike(kraken, fault), OutcomeUnknown)
    [taken] = await kraken.paper.get("orders", user=kraken.user)
    found = await kraken.venue.find(taken["client_order_id"], since=since)
    assert found is not None
    assert found.filled.amount == Decimal("0.01")


@pytest.mark.parametrize("fault", IN_DOUBT_AND_NOT_TAKEN)
async def test_an_order_that_was_not_taken_is_in_doubt_all_the_same(kraken: KrakenBench, fault: str) -> None:
    assert isinstance(await _strike(kraken, fault), OutcomeUnknown)
    assert await kraken.orders_at_venue() == 0


@pytest.mark.parametrize("fault", NOT_PROCESSED)
async def test_an_order_over_a_limit_was_not_processed(kraken: KrakenBench, fault: str) -> None:
    failure = await _strike(kraken, fault)
    assert isinstance(failure, Unavailable)
    assert failure.retry_after > 0
    assert await kraken.orders_at_venue() == 0


@pytest.mark.parametrize("spelling", ["usual", "other"])
@pytest.mark.parametrize(("fault", "refusal"), REFUSED)
async def test_a_refusal_has_its_family_in_both_spellings(
    kraken: KrakenBench, fault: str, refusal: Refusal, spelling: str
) -> None:
    if spelling == "other":
        await kraken.paper.fault("other_spellings")
    size = "0.00005" if fault == "ordermin_raised_mid_run" else "0.01"
    await kraken.paper.fault(fault)
    with pytest.raises(Rejected) as refused:
        await kraken.venue.place(request(str(uuid4()), size=size), kraken.nonces.begin)
    assert refused.value.refusal is refusal
    assert await kraken.orders_at_venue() == 0


async def test_a_raised_minimum_is_seen_in_the_list_of_pairs_after_the_refusal(kraken: KrakenBench) -> None:
    before = (await kraken.venue.instruments())[BTC]
    await kraken.paper.fault("ordermin_raised_mid_run")
    with pytest.raises(Rejected):
        await kraken.venue.place(request(str(uuid4()), size="0.00005"), kraken.nonces.begin)
    assert (await kraken.venue.instruments())[BTC].min_size > before.min_size


@pytest.mark.parametrize("limit", ["50000.05", "50000.123"])
async def test_a_price_off_the_tick_is_a_matter_of_precision(kraken: KrakenBench, limit: str) -> None:
    with pytest.raises(Rejected) as refused:
        await kraken.venue.place(request(str(uuid4()), limit=limit), kraken.nonces.begin)
    assert refused.value.refusal is Refusal.PRECISION


async def test_an_open_client_id_is_a_duplicate(kraken: KrakenBench) -> None:
    client_id = str(uuid4())
    await kraken.rest_elsewhere(client_id)
    with pytest.raises(Rejected) as refused:
        await kraken.venue.place(request(client_id), kraken.nonces.begin)
    assert refused.value.refusal is Refusal.DUPLICATE


async def test_a_closed_port_was_never_reached(kraken: KrakenBench) -> None:
    await kraken.venue.instruments()
    kraken.venue._lane._api._origin = kraken.paper.http.origin("http://127.0.0.1:1")  # type: ignore[attr-defined]  # it moves away
    with pytest.raises(Unavailable, match="could not connect"):
        await kraken.venue.place(request(str(uuid4())), kraken.nonces.begin)


async def test_a_late_order_is_not_found_until_it_is_processed(kraken: KrakenBench) -> None:
    client_id, since = str(uuid4()), now()
    held = await kraken_bench(kraken.paper, "bob", timeout=SHORT)
    await kraken.paper.fault("delay_beyond_timeout_then_processed", count=1, seconds=SHORT + 1)
    with pytest.raises(OutcomeUnknown):
        await held.venue.place(request(client_id), held.nonces.begin)
    assert await held.venue.find(client_id, since=since) is None  # so None proves nothing before the deadline
    async with asyncio.timeout(30):
        while (found := await held.venue.find(client_id, since=since)) is None:
            pass
    assert found.filled.amount == Decimal("0.01")


async def test_a_fresh_order_may_be_invisible_for_a_while(kraken: KrakenBench) -> None:
    client_id, since = str(uuid4()), now()
    await kraken.paper.fault("order_invisible_for_3s", count=1, seconds=2)
    accepted = await kraken.venue.place(request(client_id), kraken.nonces.begin)
    with pytest.raises(Rejected) as refused:
        await kraken.venue.order(accepted.venue_order_id)
    assert refused.value.refusal is Refusal.GONE
    assert await kraken.venue.find(client_id, since=since) is None
    async with asyncio.timeout(30):
        while (found := await kraken.venue.find(client_id, since=since)) is None:
            pass
    assert found.venue_order_id == accepted.venue_order_id


async def test_a_status_that_nobody_knows_is_not_the_end_of_an_order(kraken: KrakenBench) -> None:
    accepted = await kraken.venue.place(request(str(uuid4())), kraken.nonces.begin)
    await kraken.paper.fault("order_status_unknown", method="QueryOrders", count=1)
    assert (await kraken.venue.order(accepted.venue_order_id)).status is VenueOrderStatus.OPEN
    assert (await kraken.venue.order(accepted.venue_order_id)).status is VenueOrderStatus.DONE


@pytest.mark.parametrize(
    "fault", ["drop_before_process", "http_502", "http_520", "html_error_page", "busy", "truncated_json"]
)
async def test_a_lookup_is_asked_again(kraken: KrakenBench, fault: str) -> None:
    await kraken.paper.fault(fault, method="BalanceEx", count=1)
    assert (await kraken.venue.balances())["USD"].total == Decimal(10_000)


async def test_one_stray_nonce_costs_one_retry_and_a_shared_key_parks(kraken: KrakenBench) -> None:
    await kraken.api.private("BalanceEx", {}, kraken.nonces.last + 500_000)  # another program, half a second ahead
    await kraken.venue.place(request(str(uuid4())), kraken.nonces.begin)
    assert await kraken.verdicts() == [("BalanceEx", "ok"), ("AddOrder", "EAPI:Invalid nonce"), ("AddOrder", "ok")]
    await kraken.api.private("BalanceEx", {}, (kraken.nonces.last + 500_000) * 100)  # one that counts in finer units
    with pytest.raises(Rejected) as refused:
        await kraken.venue.place(request(str(uuid4())), kraken.nonces.begin)
    assert (refused.value.refusal, refused.value.words) == (Refusal.NONCE, KEY_IN_USE)
    assert await kraken.orders_at_venue() == 1


async def test_a_higher_nonce_of_the_next_owner_voids_an_order_still_on_its_way(kraken: KrakenBench) -> None:
    class Fenced(Exception):  # noqa: N818  # stands for the bus's LeaseLost
        pass

    async def begin_then_freeze(_outgoing: Outgoing) -> int:
        nonce = await kraken.nonces.next()
        await kraken.api.private("BalanceEx", {}, nonce + 1_000_000)  # the next owner's first private call
        kraken.nonces.fenced = Fenced()
        return nonce

    with pytest.raises(Fenced):
        await kraken.venue.place(request(str(uuid4())), begin_then_freeze)
    assert await kraken.orders_at_venue() == 0


async def test_four_tasks_with_500_calls_each_on_one_key_see_no_invalid_nonce(kraken: KrakenBench) -> None:
    async def work(number: int) -> None:
        for turn in range(500):
            if turn % 5 == 0:
                side = Side.BUY if (number + turn // 5) % 2 else Side.SELL
                await kraken.venue.place(request(str(uuid4()), side, "0.0001"), kraken.nonces.begin)
            else:
                await kraken.venue.balances()

    await asyncio.gather(*(work(number) for number in range(4)))
    rows = await kraken.paper.get("requests", api_key=kraken.key)
    assert len(rows) == 2_000
    assert {row["verdict"] for row in rows} == {"ok"}
    nonces = [row["nonce"] for row in rows]
    assert nonces == sorted(set(nonces))


@pytest.mark.parametrize("budget", [Tier.PRO, None], ids=["with a budget", "without"])
async def test_a_burst_within_the_budget_is_never_refused(kraken: KrakenBench, budget: Tier | None) -> None:
    pro = await kraken_bench(kraken.paper, "bob", tier="pro", budget=budget)
    await asyncio.gather(*(pro.venue.balances() for _ in range(21)), return_exceptions=True)
    refused = [verdict for _, verdict in await pro.verdicts() if verdict != "ok"]
    assert bool(refused) is (budget is None)  # the same burst without a budget is: the test can fail


async def test_a_key_that_may_not_see_its_fees_pays_the_base_tier_s(kraken: KrakenBench) -> None:
    poor = await kraken_bench(kraken.paper, "bob", permissions=["modify-orders", "query-open-orders"])
    assert await poor.venue.taker_fee(BTC) == Decimal("0.004")
    with pytest.raises(Rejected) as refused:
        await poor.venue.balances()
    assert refused.value.refusal is Refusal.AUTH


async def test_an_order_whose_status_nobody_knows_is_in_the_list_of_those_that_ended(kraken: KrakenBench) -> None:
    since = now()
    taken = await kraken.venue.place(request(str(uuid4())), kraken.nonces.begin)
    await kraken.paper.fault("order_status_unknown", method="ClosedOrders", count=1)
    (told,) = await kraken.venue.closed_orders(since=since)
    assert told.venue_order_id == taken.venue_order_id


async def test_an_unknown_key_is_told_as_such(kraken: KrakenBench) -> None:
    kraken.venue._lane._api.key = "somebody-else"  # type: ignore[attr-defined]
    with pytest.raises(Rejected, match="Invalid key") as refused:
        await kraken.venue.balances()
    assert refused.value.refusal is Refusal.AUTH


async def test_no_log_line_and_no_error_carries_a_key_or_a_signature(kraken: KrakenBench) -> None:
    secret = (await kraken.paper.account("carol"))["api_secret"]
    written = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.PrintLoggerFactory(written),
        cache_logger_on_first_use=False,
    )
    try:
        for fault in [*IN_DOUBT_BUT_TAKEN[:-1], *NOT_PROCESSED, "invalid_nonce_burst", "key_revoked_mid_run"]:
            await kraken.paper.fault(fault, method="AddOrder", count=2)
            with pytest.raises(VenueError) as told:
                await kraken.venue.place(request(str(uuid4())), kraken.nonces.begin)
            written.write("".join(traceback.format_exception(told.value)))
            await kraken.paper.cure()
    finally:
        structlog.reset_defaults()
    text = written.getvalue()
    assert "nonce refused" in text
    for hidden in (kraken.key, kraken.api.secret, secret, "API-Sign", "cl_ord_id="):
        assert hidden not in text


async def test_the_next_process_goes_on_above_the_last_one_s_nonces(kraken: KrakenBench) -> None:
    await kraken.venue.balances()
    kraken.nonces.last = MemoryNonces(time.time_ns() // 1000).last
    await kraken.venue.balances()
    assert {verdict for _, verdict in await kraken.verdicts()} == {"ok"}
