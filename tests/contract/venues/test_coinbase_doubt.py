"""Every way in which the paper Coinbase can leave an order in doubt, or a lookup without an answer, and how the doubt ends.

For each fault also what the venue's own journal says happened, since the leaf is a promise about exactly that.
"""

from __future__ import annotations

import asyncio
import io
import traceback
from decimal import Decimal
from uuid import uuid4

import pytest
import structlog

from shared.domain.order import Side
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, VenueError
from shared.venues.port import Outgoing
from tests.contract.venues.benches import BTC, FUNDS, SHORT, CoinbaseBench, coinbase_bench, now, request

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
IN_DOUBT_AND_NOT_TAKEN = ["drop_before_process", "http_502", "http_520", "hang", "http_503_go_sg"]


class Recorded:
    """A `begin` that keeps what was about to leave."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    async def __call__(self, outgoing: Outgoing) -> int:
        self.bodies.append(outgoing.body)
        return 0


async def _strike(bench: CoinbaseBench, fault: str, begin: Recorded, client_id: str = "") -> VenueError:
    await bench.paper.fault(fault, user=bench.user, venue="coinbase", method="CreateOrder", count=1)
    with pytest.raises(VenueError) as told:
        await bench.venue.place(request(client_id or str(uuid4())), begin)
    await bench.paper.cure()
    return told.value


@pytest.mark.parametrize("fault", [*IN_DOUBT_BUT_TAKEN, *IN_DOUBT_AND_NOT_TAKEN])
async def test_a_replay_names_the_order_or_makes_it_and_it_is_one_order(coinbase: CoinbaseBench, fault: str) -> None:
    begin, client_id, since = Recorded(), str(uuid4()), now()
    assert isinstance(await _strike(coinbase, fault, begin, client_id), OutcomeUnknown)
    assert await coinbase.orders_at_venue() == (1 if fault in IN_DOUBT_BUT_TAKEN else 0)
    accepted = await coinbase.venue.replay(begin.bodies[0], begin)
    assert await coinbase.orders_at_venue() == 1
    found = await coinbase.venue.find(client_id, since=since)
    assert found is not None
    assert (found.venue_order_id, found.filled.amount) == (accepted.venue_order_id, Decimal("0.01"))
    assert (await coinbase.venue.balances())["BTC"].total == FUNDS["BTC"] + Decimal("0.01")


@pytest.mark.parametrize("fault", IN_DOUBT_BUT_TAKEN)
async def test_an_order_that_was_taken_is_found_without_a_replay(coinbase: CoinbaseBench, fault: str) -> None:
    client_id, since = str(uuid4()), now()
    assert isinstance(await _strike(coinbase, fault, Recorded(), client_id), OutcomeUnknown)
    found = await coinbase.venue.find(client_id, since=since)
    assert found is not None
    assert found.filled.amount == Decimal("0.01")


async def test_a_replay_after_the_market_has_moved_is_the_order_of_before(coinbase: CoinbaseBench) -> None:
    begin = Recorded()
    await _strike(coinbase, "processed_then_reply_dropped", begin)
    await coinbase.set_price(Decimal(60_000))
    accepted = await coinbase.venue.replay(begin.bodies[0], begin)
    order = await coinbase.venue.order(accepted.venue_order_id)
    assert (order.cost.amount, await coinbase.orders_at_venue()) == (Decimal(500), 1)


async def test_a_replay_of_a_lost_order_that_the_account_cannot_pay_any_more_is_refused(
    coinbase: CoinbaseBench,
) -> None:
    begin = Recorded()
    await _strike(coinbase, "drop_before_process", begin)
    await coinbase.set_price(Decimal(2_000_000))
    with pytest.raises(Rejected) as refused:
        await coinbase.venue.replay(begin.bodies[0], begin)
    assert (refused.value.refusal, await coinbase.orders_at_venue()) == (Refusal.FUNDS, 0)


async def test_an_order_that_is_delayed_within_its_token_s_life_is_not_found_until_it_is_processed(
    coinbase: CoinbaseBench,
) -> None:
    client_id, since = str(uuid4()), now()
    held = await coinbase_bench(coinbase.paper, "bob", timeout=SHORT)
    held.venue._submission.order_life_ms = 8_000  # type: ignore[attr-defined]
    await held.paper.fault("delay_beyond_timeout_then_processed", user=held.user, count=1, seconds=SHORT + 3)
    with pytest.raises(OutcomeUnknown):
        await held.venue.place(request(client_id), held.nonces.begin)
    assert await held.venue.find(client_id, since=since) is None  # so None proves nothing before the deadline
    async with asyncio.timeout(30):
        while (found := await held.venue.find(client_id, since=None)) is None:
            pass  # the budget of the key makes it wait
    assert found.client_order_id == client_id


async def test_a_fresh_order_may_be_invisible_for_a_while(coinbase: CoinbaseBench) -> None:
    client_id, since = str(uuid4()), now()
    await coinbase.paper.fault("order_invisible_for_3s", user=coinbase.user, venue="coinbase", count=1, seconds=3)
    accepted = await coinbase.venue.place(request(client_id), coinbase.nonces.begin)
    with pytest.raises(Rejected) as refused:
        await coinbase.venue.order(accepted.venue_order_id)
    assert refused.value.refusal is Refusal.GONE
    async with asyncio.timeout(15):
        while (found := await coinbase.venue.find(client_id, since=None)) is None:
            pass  # the budget of the key makes it wait
    assert found.venue_order_id == accepted.venue_order_id
    assert (await coinbase.venue.find(client_id, since=since)) == found


@pytest.mark.parametrize("fault", ["order_invisible_for_3s", "fills_late"])
async def test_what_is_not_shown_is_no_second_order_when_it_is_sent_again(coinbase: CoinbaseBench, fault: str) -> None:
    begin = Recorded()
    await coinbase.paper.fault(fault, user=coinbase.user, venue="coinbase", count=1, seconds=2)
    first = await coinbase.venue.place(request(str(uuid4())), begin)
    assert await coinbase.venue.replay(begin.bodies[0], begin) == first
    assert await coinbase.orders_at_venue() == 1


@pytest.mark.parametrize(
    "fault",
    [
        "drop_before_process",
        "http_502",
        "http_520",
        "html_error_page",
        "truncated_json",
        "http_429_html",
        "http_503_go_sg",
    ],
)
async def test_a_lookup_is_asked_again(coinbase: CoinbaseBench, fault: str) -> None:
    await coinbase.paper.fault(fault, user=coinbase.user, venue="coinbase", method="ListAccounts", count=1)
    assert (await coinbase.venue.balances())["USD"].total == FUNDS["USD"]


@pytest.mark.parametrize(("fault", "seconds"), [("clock_ahead", 3), ("clock_behind", 3)])
async def test_a_clock_that_differs_a_little_costs_nothing(coinbase: CoinbaseBench, fault: str, seconds: int) -> None:
    """`nbf` is a second old, and a token lives two seconds longer than its request's time-out."""
    coinbase.venue._submission.order_life_ms = 7_000  # type: ignore[attr-defined]
    await coinbase.paper.fault(fault, venue="coinbase", seconds=seconds)
    await coinbase.venue.place(request(str(uuid4())), coinbase.nonces.begin)
    assert await coinbase.orders_at_venue() == 1


async def test_throttling_that_is_told_as_401_refuses_no_key(coinbase: CoinbaseBench) -> None:
    """From the fourth request of a second on; with its time-out of 5 s a process repeats for as long as that takes."""
    await coinbase.paper.fault("throttled_with_401", user=coinbase.user, venue="coinbase")
    for _ in range(3):
        await coinbase.venue.balances()
    coinbase.venue._submission.order_life_ms = 10_000  # type: ignore[attr-defined]
    await coinbase.venue.place(request(str(uuid4())), coinbase.nonces.begin)
    assert await coinbase.orders_at_venue() == 1


async def test_a_burst_within_the_budget_is_never_refused(coinbase: CoinbaseBench) -> None:
    held = await coinbase_bench(coinbase.paper, "bob", tier="pro")
    await asyncio.gather(
        *(held.venue.taker_fee(BTC) for _ in range(14)), held.venue.balances(), held.venue.open_orders()
    )
    assert {verdict for _, verdict in await held.verdicts()} == {"ok"}


async def test_calls_of_one_key_may_overlap(coinbase: CoinbaseBench) -> None:
    """There is no nonce and no lane: six orders at once are six orders, each with its own answer."""
    sides = [Side.BUY, Side.SELL] * 3
    placed = await asyncio.gather(
        *(coinbase.venue.place(request(str(uuid4()), side, "0.001"), coinbase.nonces.begin) for side in sides)
    )
    orders = [await coinbase.venue.order(each.venue_order_id) for each in placed]
    assert [order.side for order in orders] == sides
    assert len({each.venue_order_id for each in placed}) == await coinbase.orders_at_venue() == 6


@pytest.mark.parametrize("limit", ["50000.005", "50000.123"])
async def test_a_price_off_the_tick_is_a_matter_of_precision(coinbase: CoinbaseBench, limit: str) -> None:
    with pytest.raises(Rejected) as refused:
        await coinbase.venue.place(request(str(uuid4()), limit=limit), coinbase.nonces.begin)
    assert refused.value.refusal is Refusal.PRECISION


async def test_an_order_with_a_limit_that_fills_in_part_ends_with_that_part(coinbase: CoinbaseBench) -> None:
    await coinbase.paper.fault("partial_fill_then_cancel", user=coinbase.user, venue="coinbase", count=1)
    accepted = await coinbase.venue.place(request(str(uuid4()), limit="51000"), coinbase.nonces.begin)
    order = await coinbase.venue.order(accepted.venue_order_id)
    assert order.closed_at is not None
    assert 0 < order.filled.amount < Decimal("0.01")
    assert order.fee == order.cost.amount * Decimal("0.012")


async def test_no_log_line_and_no_error_carries_a_key_a_token_or_a_body(coinbase: CoinbaseBench) -> None:
    secret = (await coinbase.paper.account("carol", venue="coinbase"))["api_secret"]
    written = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.PrintLoggerFactory(written),
        cache_logger_on_first_use=False,
    )
    faults = [
        *IN_DOUBT_BUT_TAKEN[:-1],
        *IN_DOUBT_AND_NOT_TAKEN[:3],
        "http_429_html",
        "permission_denied",
        "unauthorized_burst",
    ]
    try:
        for fault in faults:
            await coinbase.paper.fault(fault, user=coinbase.user, venue="coinbase", method="CreateOrder", count=9)
            with pytest.raises(VenueError) as told:
                await coinbase.venue.place(request(str(uuid4())), coinbase.nonces.begin)
            written.write("".join(traceback.format_exception(told.value)))
            await coinbase.paper.cure()
    finally:
        structlog.reset_defaults()
    text = written.getvalue()
    assert "HTTP 502" in text
    for hidden in (coinbase.key, "Bearer", "eyJ", "order_configuration", *secret.split("\n")[1:-2]):
        assert hidden not in text


async def test_a_closed_port_was_never_reached(coinbase: CoinbaseBench) -> None:
    await coinbase.venue.instruments()
    coinbase.venue._submission._api._origin = coinbase.paper.http.origin("http://127.0.0.1:1")  # type: ignore[attr-defined]  # it moves away
    with pytest.raises(Unavailable, match="could not connect"):
        await coinbase.venue.place(request(str(uuid4())), coinbase.nonces.begin)
