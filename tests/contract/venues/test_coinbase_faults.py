"""Coinbase's own troubles, through the adapter and the paper exchange: what each must come to at the port."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from shared.domain.order import Side
from shared.domain.values.instrument import PairStatus
from shared.domain.values.symbol import Symbol
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import Outgoing, RowReason, VenueOrderStatus
from tests.contract.venues.benches import BTC, FUNDS, SHORT, CoinbaseBench, coinbase_bench, end_of, now, request


async def place(bench: CoinbaseBench, **parts: str) -> str:
    accepted = await bench.venue.place(request(str(uuid4()), **parts), bench.nonces.begin)  # type: ignore[arg-type]
    return accepted.venue_order_id


async def strike(bench: CoinbaseBench, fault: str, **options: object) -> None:
    await bench.paper.fault(fault, user=bench.user, venue="coinbase", **{"count": 1, **options})


async def sent(bench: CoinbaseBench) -> list[str]:
    return [verdict for method, verdict in await bench.verdicts() if method == "CreateOrder"]


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_a_valid_token_that_is_refused_is_made_again(coinbase: CoinbaseBench, count: int) -> None:
    await strike(coinbase, "unauthorized_burst", method="CreateOrder", count=count)
    coinbase.venue._submission.order_life_ms = 10_000  # type: ignore[attr-defined]
    await place(coinbase)
    assert await sent(coinbase) == ["401 Unauthorized"] * count + ["ok"]
    assert await coinbase.orders_at_venue() == 1


async def test_a_token_that_is_refused_for_good_is_a_refused_key(coinbase: CoinbaseBench) -> None:
    await strike(coinbase, "key_revoked_mid_run", count=None)
    with pytest.raises(Rejected) as refused:
        await coinbase.venue.balances()
    assert refused.value.refusal is Refusal.AUTH
    assert "401" in refused.value.words


async def test_token_expiry_bounds_a_predecessor(coinbase: CoinbaseBench) -> None:
    """A request that arrives after its token has ended is not processed: neither an order nor a refused key."""
    slow = await coinbase_bench(coinbase.paper, "bob", timeout=SHORT)
    slow.venue._submission.order_life_ms = 1_500  # type: ignore[attr-defined]
    held = await slow.paper.post(
        "faults", fault="delay_beyond_timeout_then_processed", user=slow.user, seconds=2.2, count=1
    )
    assert held["fault"] == "delay_beyond_timeout_then_processed"
    with pytest.raises(OutcomeUnknown):
        await place(slow)
    await asyncio.sleep(2.5)
    assert await slow.orders_at_venue() == 0
    assert await sent(slow) == ["401 Unauthorized"]


async def test_a_process_that_slept_between_write_ahead_and_signing_sends_nothing(coinbase: CoinbaseBench) -> None:
    coinbase.venue._submission.order_life_ms = 1_000  # type: ignore[attr-defined]

    async def freeze(_outgoing: Outgoing) -> int:
        time.sleep(1.2)  # noqa: ASYNC251  # a frozen process does nothing else either
        return 0

    with pytest.raises(Rejected) as refused:
        await coinbase.venue.place(request(str(uuid4())), freeze)
    assert refused.value.refusal is Refusal.DEADLINE
    assert await sent(coinbase) == []


async def test_success_is_not_a_fill(coinbase: CoinbaseBench) -> None:
    await strike(coinbase, "accepted_then_failed")
    order = await end_of(coinbase.venue, await place(coinbase))
    assert order.filled.amount == order.cost.amount == 0
    assert "HOLD_FAILURE" in order.reason
    assert order.refusal is Refusal.OTHER
    assert (await coinbase.venue.balances())["BTC"].total == FUNDS["BTC"]


@pytest.mark.parametrize("fault", ["pending_for", "fills_late"])
async def test_an_order_whose_fills_are_not_there_yet_has_not_ended(coinbase: CoinbaseBench, fault: str) -> None:
    await strike(coinbase, fault, seconds=1.0)
    since = now()
    venue_order_id = await place(coinbase)
    order = await coinbase.venue.order(venue_order_id)
    assert order.status is VenueOrderStatus.OPEN
    assert order.filled.amount == 0
    assert venue_order_id in {each.venue_order_id for each in await coinbase.venue.open_orders()}
    assert await coinbase.venue.closed_orders(since=since) == []
    await asyncio.sleep(1.1)
    order = await coinbase.venue.order(venue_order_id)
    assert (order.status, order.filled.amount) == (VenueOrderStatus.DONE, Decimal("0.01"))
    assert [each.venue_order_id for each in await coinbase.venue.closed_orders(since=since)] == [venue_order_id]


async def test_a_part_that_is_not_there_yet_is_waited_for_behind_an_order_that_was_cancelled(
    coinbase: CoinbaseBench,
) -> None:
    """Neither its sums nor the list of fills tell it from an order that filled nothing."""
    await strike(coinbase, "partial_fill_then_cancel")
    await strike(coinbase, "fills_late", seconds=3.0)
    since = now()
    venue_order_id = await place(coinbase)
    order = await coinbase.venue.order(venue_order_id)
    assert (order.status, order.filled.amount) == (VenueOrderStatus.OPEN, Decimal(0))
    assert order.closed_at is not None
    ended = await coinbase.venue.closed_orders(since=since)
    assert [(row.row_id, row.reason) for row in ended.left_out] == [(venue_order_id, RowReason.UNSETTLED)]
    assert ended == []
    order = await end_of(coinbase.venue, venue_order_id)
    assert order.filled.amount == Decimal("0.004")
    assert [each.filled.amount for each in await coinbase.venue.closed_orders(since=since)] == [Decimal("0.004")]


async def test_a_status_that_is_not_known_is_no_end(coinbase: CoinbaseBench) -> None:
    venue_order_id = await place(coinbase)
    await strike(coinbase, "order_status_unknown")
    assert (await coinbase.venue.order(venue_order_id)).status is VenueOrderStatus.OPEN
    assert (await coinbase.venue.order(venue_order_id)).status is VenueOrderStatus.DONE


async def test_a_replay_that_is_called_a_duplicate_is_a_refusal_of_that_family(coinbase: CoinbaseBench) -> None:
    bodies: list[str] = []

    async def begin(outgoing: Outgoing) -> int:
        bodies.append(outgoing.body)
        return 0

    client_id = str(uuid4())
    await coinbase.venue.place(request(client_id), begin)
    await strike(coinbase, "replay_says_duplicate")
    with pytest.raises(Rejected) as refused:
        await coinbase.venue.replay(bodies[0], begin)
    assert refused.value.refusal is Refusal.DUPLICATE
    found = await coinbase.venue.find(client_id, since=now() - 1_000)
    assert found is not None
    assert found.client_order_id == client_id


@pytest.mark.parametrize(
    "fault",
    [
        "502_after_accept",
        "html_error_page",
        "truncated_json",
        "unavailable_after_accept",
        "internal_error_after_accept",
    ],
)
async def test_an_answer_that_cannot_be_read_leaves_an_order_unknown(coinbase: CoinbaseBench, fault: str) -> None:
    await strike(coinbase, fault)
    with pytest.raises(OutcomeUnknown):
        await place(coinbase)
    assert await coinbase.orders_at_venue() == 1


@pytest.mark.parametrize(
    "fault", ["http_502", "http_503", "http_520", "http_503_go_sg", "html_error_page_before_accept"]
)
async def test_a_gateway_s_page_says_nothing_about_an_order(coinbase: CoinbaseBench, fault: str) -> None:
    await strike(coinbase, fault, method="CreateOrder")
    with pytest.raises(OutcomeUnknown):
        await place(coinbase)
    assert await coinbase.orders_at_venue() == 0


@pytest.mark.parametrize("fault", ["http_429", "http_429_html"])
async def test_throttling_in_either_shape_was_not_processed(coinbase: CoinbaseBench, fault: str) -> None:
    await strike(coinbase, fault, method="CreateOrder")
    with pytest.raises(Unavailable) as told:
        await place(coinbase)
    assert told.value.retry_after > 0


@pytest.mark.parametrize("fault", ["permission_denied", "trade_permission_lost"])
async def test_a_key_that_may_not_trade_is_refused_as_a_key(coinbase: CoinbaseBench, fault: str) -> None:
    await strike(coinbase, fault, **({"method": "CreateOrder"} if fault == "permission_denied" else {"count": None}))
    with pytest.raises(Rejected) as refused:
        await place(coinbase)
    assert refused.value.refusal is Refusal.AUTH
    assert "Missing required scopes" in refused.value.words


async def test_another_portfolio_without_a_wallet_is_refused_as_a_key(coinbase: CoinbaseBench) -> None:
    await strike(coinbase, "portfolio_switched", count=None)
    with pytest.raises(Rejected) as refused:
        await place(coinbase)
    assert (refused.value.refusal, "account is not available" in refused.value.words) == (Refusal.AUTH, True)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("product_limit_only", PairStatus.LIMIT_ONLY),
        ("product_post_only", PairStatus.POST_ONLY),
        ("product_cancel_only", PairStatus.CANCEL_ONLY),
        ("product_trading_disabled", PairStatus.CANCEL_ONLY),
        ("product_offline", PairStatus.CANCEL_ONLY),
    ],
)
async def test_a_flag_of_a_product_halts_it_and_is_shown(
    coinbase: CoinbaseBench, fault: str, status: PairStatus
) -> None:
    await coinbase.venue.instruments()
    await coinbase.paper.fault(fault, symbol=str(BTC))
    with pytest.raises(Rejected) as refused:
        await place(coinbase)
    assert refused.value.refusal is Refusal.HALTED
    assert (await coinbase.venue.instruments())[BTC].status is status
    if fault == "product_limit_only":
        await place(coinbase, limit="51000")
        assert await coinbase.orders_at_venue() == 1


async def test_an_alias_is_a_symbol_of_its_own_that_its_own_wallet_pays(coinbase: CoinbaseBench) -> None:
    usdc = Symbol("BTC", "USDC")
    await coinbase.paper.post("deposit", user=coinbase.user, venue="coinbase", asset="USDC", amount="1000")
    await coinbase.paper.fault("alias_in_fills", user=coinbase.user)
    since = now()
    asked = replace(request(str(uuid4())), symbol=usdc)
    accepted = await coinbase.venue.place(asked, coinbase.nonces.begin)
    (order,) = await coinbase.venue.closed_orders(since=since)
    assert (order.venue_order_id, order.symbol, order.fee_asset) == (accepted.venue_order_id, usdc, "USDC")
    balances = await coinbase.venue.balances()
    assert balances["USD"].total == FUNDS["USD"]
    assert balances["USDC"].total == 1000 - order.cost.amount - order.fee


async def test_an_old_order_that_ends_now_is_among_the_ended_ones(coinbase: CoinbaseBench) -> None:
    """The list of orders is by creation: one that was placed before, and fills or is cancelled now, is in no window of it."""
    filled, cancelled = [await coinbase.rest_elsewhere(str(uuid4())) for _ in range(2)]
    await asyncio.sleep(0.05)
    since = now()
    await coinbase.api.send("/orders/batch_cancel", f'{{"order_ids":["{cancelled}"]}}')
    await coinbase.set_price(Decimal(9_000))
    await end_of(coinbase.venue, cancelled)
    ended = await coinbase.venue.closed_orders(since=since)
    assert {each.venue_order_id: each.filled.amount > 0 for each in ended} == {filled: True, cancelled: False}


async def test_every_page_of_wallets_and_orders_is_read(
    coinbase: CoinbaseBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.venues.coinbase.adapter._PAGE", 1)
    since = now()
    for _ in range(3):
        await place(coinbase, side=Side.BUY)
    assert {"USD", "BTC"} <= set(await coinbase.venue.balances())
    monkeypatch.setattr("shared.venues.coinbase.history._PAGE", 1)
    assert len(await coinbase.venue.closed_orders(since=since)) == 3
