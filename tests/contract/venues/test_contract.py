"""The venue contract: numbered sentences that every adapter, and the fake, must keep.

A new adapter is done when it has a bench here and all of these pass.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from shared.domain.order import Side
from shared.domain.values.instrument import PairStatus
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import Outgoing, VenueOrderStatus
from tests.contract.venues.benches import BTC, FUNDS, PRICE, Bench, end_of, now, request, resting

UNLISTED = Symbol("NOSUCH", "USD")


def _id() -> str:
    return str(uuid4())


async def test_01_a_market_order_fills_and_the_venue_s_record_says_so(bench: Bench) -> None:
    client_id, began = _id(), now()
    accepted = await bench.venue.place(request(client_id), bench.nonces.begin)
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.client_order_id, order.symbol, order.side) == (client_id, BTC, Side.BUY)
    assert order.status is VenueOrderStatus.DONE
    assert order.filled.amount == Decimal("0.01")
    assert order.average_price == Price(PRICE, BTC)
    assert order.closed_at is not None
    assert began - 10 <= order.closed_at <= now() + 10  # written in seconds with four digits by some


async def test_02_a_buy_takes_cost_and_fee_from_quote_and_a_sell_takes_its_fee_from_the_proceeds(bench: Bench) -> None:
    fee = await bench.venue.taker_fee(BTC)
    accepted = await bench.venue.place(request(_id()), bench.nonces.begin)
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.fee, order.fee_asset) == (order.cost.amount * fee, "USD")
    bought = await bench.venue.balances()
    assert bought["BTC"].free == FUNDS["BTC"] + Decimal("0.01")
    assert bought["USD"].free == FUNDS["USD"] - 500 - 500 * fee
    await bench.venue.place(request(_id(), Side.SELL), bench.nonces.begin)
    sold = await bench.venue.balances()
    assert sold["BTC"].total == FUNDS["BTC"]
    assert sold["USD"].total == FUNDS["USD"] - 2 * 500 * fee


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "50000"), (Side.BUY, "50500"), (Side.SELL, "50000")])
async def test_03_a_limit_that_the_market_meets_fills_at_the_market_s_price(
    bench: Bench, side: Side, limit: str
) -> None:
    accepted = await bench.venue.place(request(_id(), side, limit=limit), bench.nonces.begin)
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.filled.amount, order.average_price) == (Decimal("0.01"), Price(PRICE, BTC))


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "49999.9"), (Side.SELL, "50000.1")])
async def test_04_a_limit_that_the_market_does_not_meet_fills_nothing_and_never_rests(
    bench: Bench, side: Side, limit: str
) -> None:
    accepted = await bench.venue.place(request(_id(), side, limit=limit), bench.nonces.begin)
    order = await end_of(bench.venue, accepted.venue_order_id)
    assert order.filled.amount == 0
    assert order.average_price is None
    assert (await bench.venue.balances())["USD"].free == FUNDS["USD"]


async def test_05_a_partial_fill_is_told_as_what_was_filled(bench: Bench) -> None:
    await bench.trouble("partial fill")
    accepted = await bench.venue.place(request(_id()), bench.nonces.begin)
    order = await end_of(bench.venue, accepted.venue_order_id)
    assert order.filled.amount == Decimal("0.004")
    assert order.cost.amount == 200
    assert order.reason


async def test_06_an_ended_order_is_found_by_its_client_id(bench: Bench) -> None:
    client_id, since = _id(), now()
    await bench.venue.place(request(_id()), bench.nonces.begin)
    accepted = await bench.venue.place(request(client_id), bench.nonces.begin)
    found = await bench.venue.find(client_id, since=since)
    assert found is not None
    assert found.venue_order_id == accepted.venue_order_id


async def test_07_an_open_order_is_found_by_its_client_id_and_is_open(bench: Bench) -> None:
    client_id = _id()
    venue_order_id = await bench.rest_elsewhere(client_id)
    found = await bench.venue.find(client_id, since=now() - 60_000)
    assert found is not None
    assert (found.venue_order_id, found.status) == (venue_order_id, VenueOrderStatus.OPEN)
    assert found.filled.amount == 0
    assert found.closed_at is None


async def test_08_an_order_that_never_was_is_not_found(bench: Bench) -> None:
    await bench.venue.place(request(_id()), bench.nonces.begin)
    assert await bench.venue.find(_id(), since=now() - 60_000) is None
    with pytest.raises(Rejected) as refused:
        await bench.venue.order("OAAAAA-BBBBB-CCCCCC")
    assert refused.value.refusal is Refusal.GONE


@pytest.mark.parametrize(
    ("side", "size", "refusal"),
    [
        (Side.BUY, "0.3", Refusal.FUNDS),
        (Side.SELL, "0.6", Refusal.FUNDS),
        (Side.BUY, "too small", Refusal.MINIMUM),
    ],
)
async def test_09_what_the_account_or_the_pair_does_not_allow_is_rejected_by_family(
    bench: Bench, side: Side, size: str, refusal: Refusal
) -> None:
    size = bench.terms.below_minimum if size == "too small" else size
    with pytest.raises(Rejected) as refused:
        await bench.venue.place(request(_id(), side, size), bench.nonces.begin)
    assert refused.value.refusal is refusal
    assert await bench.orders_at_venue() == 0


async def test_10_a_pair_that_is_not_listed_is_rejected(bench: Bench) -> None:
    with pytest.raises(Rejected):
        await bench.venue.place(replace(request(_id()), symbol=UNLISTED), bench.nonces.begin)


async def test_11_a_halted_pair_is_rejected_and_shown_as_halted(bench: Bench) -> None:
    await bench.trouble("pair halted")
    with pytest.raises(Rejected) as refused:
        await bench.venue.place(request(_id()), bench.nonces.begin)
    assert refused.value.refusal is Refusal.HALTED
    assert await bench.orders_at_venue() == 0


async def test_12_an_order_after_its_deadline_is_neither_begun_nor_sent(bench: Bench) -> None:
    async def begin(_outgoing: Outgoing) -> int:
        raise AssertionError("must not be called")

    with pytest.raises(Rejected) as refused:
        await bench.venue.place(replace(request(_id()), deadline_at=now() - 1), begin)
    assert refused.value.refusal is Refusal.DEADLINE
    assert await bench.orders_at_venue() == 0


async def test_13_what_begin_raises_passes_through_and_stops_the_send(bench: Bench) -> None:
    class Fenced(Exception):  # noqa: N818  # stands for the bus's LeaseLost
        pass

    async def begin(_outgoing: Outgoing) -> int:
        raise Fenced

    with pytest.raises(Fenced):
        await bench.venue.place(request(_id()), begin)
    assert await bench.orders_at_venue() == 0
    await bench.venue.place(request(_id()), bench.nonces.begin)  # the lane is free again


async def test_14_a_lost_reply_is_unknown_and_the_order_is_found(bench: Bench) -> None:
    client_id, since = _id(), now()
    await bench.trouble("reply lost")
    with pytest.raises(OutcomeUnknown):
        await bench.venue.place(request(client_id), bench.nonces.begin)
    found = await bench.venue.find(client_id, since=since)
    assert found is not None
    assert found.filled.amount == Decimal("0.01")
    assert await bench.orders_at_venue() == 1


async def test_15_a_request_that_was_lost_on_the_way_is_unknown_too_and_nothing_is_found(bench: Bench) -> None:
    client_id = _id()
    await bench.trouble("lost on the way")
    with pytest.raises(OutcomeUnknown):
        await bench.venue.place(request(client_id), bench.nonces.begin)
    assert await bench.venue.find(client_id, since=now() - 60_000) is None
    assert await bench.orders_at_venue() == 0


async def test_16_a_rate_limited_order_was_not_processed_and_names_a_wait(bench: Bench) -> None:
    await bench.trouble("rate limit")
    with pytest.raises(Unavailable) as told:
        await bench.venue.place(request(_id()), bench.nonces.begin)
    assert told.value.retry_after > 0
    assert await bench.orders_at_venue() == 0


@pytest.mark.parametrize(("trouble", "refusal"), [("key revoked", Refusal.AUTH), ("lockout", Refusal.LOCKED)])
@pytest.mark.parametrize("method", ["place", "balances"])
async def test_17_an_account_that_is_shut_out_is_told_apart(
    bench: Bench, trouble: str, refusal: Refusal, method: str
) -> None:
    if refusal is Refusal.LOCKED and not bench.terms.locks_out:
        trouble, refusal = "key revoked", Refusal.AUTH
    await bench.trouble(trouble, method)
    with pytest.raises(Rejected) as refused:
        await (
            bench.venue.balances() if method == "balances" else bench.venue.place(request(_id()), bench.nonces.begin)
        )
    assert refused.value.refusal is refusal


async def test_18_the_same_client_id_after_a_fill_buys_again_unless_the_venue_replays(bench: Bench) -> None:
    """Not a wish but a fact of Kraken that everything above the port is built around."""
    client_id = _id()
    accepted = [await bench.venue.place(request(client_id), bench.nonces.begin) for _ in range(2)]
    assert await bench.orders_at_venue() == (1 if bench.venue.replays else 2)
    assert (accepted[0] == accepted[1]) is bench.venue.replays


async def test_19_prices_are_the_market_s_and_unlisted_pairs_are_left_out(bench: Bench) -> None:
    await bench.set_price(Decimal("51234.5"))
    assert await bench.venue.prices([BTC, UNLISTED]) == {BTC: Price(Decimal("51234.5"), BTC)}


async def test_20_candles_are_committed_and_oldest_first(bench: Bench) -> None:
    candles = await bench.venue.candles(BTC, 1)
    opened = [candle.opened_at for candle in candles]
    assert len(opened) >= 3
    assert opened == sorted(set(opened))
    assert opened[-1] + 60_000 <= now()
    assert all(0 < candle.low <= candle.open <= candle.high and candle.volume >= 0 for candle in candles)


async def test_21_instruments_carry_the_pair_s_steps_and_minimums(bench: Bench) -> None:
    bitcoin = (await bench.venue.instruments())[BTC]
    terms = bench.terms
    assert (bitcoin.tick, bitcoin.lot_step) == (Decimal(terms.tick), Decimal("0.00000001"))
    assert (bitcoin.min_size, bitcoin.min_cost) == (Decimal(terms.min_size), Decimal(terms.min_cost))
    assert bitcoin.status is PairStatus.ONLINE


async def test_22_closed_orders_are_those_that_ended_since_then_filled_or_not_oldest_first(bench: Bench) -> None:
    since = now()
    first = await bench.venue.place(request(_id()), bench.nonces.begin)
    nothing = await bench.venue.place(request(_id(), limit="49000"), bench.nonces.begin)  # fills nothing
    second = await bench.venue.place(request(_id(), Side.SELL), bench.nonces.begin)
    await end_of(bench.venue, nothing.venue_order_id)
    ended = await bench.venue.closed_orders(since=since)
    placed = [first, nothing, second]
    assert [order.venue_order_id for order in ended] == [each.venue_order_id for each in placed]
    assert [order.filled.amount > 0 for order in ended] == [True, False, True]
    assert all(order.closed_at is not None and order.closed_at >= since for order in ended)
    assert await bench.venue.closed_orders(since=now() + 60_000) == []


async def test_23_a_lookup_that_fails_is_never_an_empty_answer(bench: Bench) -> None:
    await bench.trouble("key revoked", "order")
    with pytest.raises(Rejected):
        await bench.venue.order("OAAAAA-BBBBB-CCCCCC")


async def test_24_the_taker_fee_is_a_fraction(bench: Bench) -> None:
    assert await bench.venue.taker_fee(BTC) == Decimal(bench.terms.fee)


async def test_25_open_orders_are_those_that_have_not_ended(bench: Bench) -> None:
    await bench.venue.place(request(_id()), bench.nonces.begin)
    assert await bench.venue.open_orders() == []
    client_id = _id()
    venue_order_id = await bench.rest_elsewhere(client_id)
    (resting,) = await bench.venue.open_orders()
    assert (resting.venue_order_id, resting.client_order_id) == (venue_order_id, client_id)
    assert (resting.status, resting.closed_at) == (VenueOrderStatus.OPEN, None)


class Recorded:
    """A `begin` that keeps what was about to leave."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.outgoing: list[Outgoing] = []

    async def __call__(self, outgoing: Outgoing) -> int:
        self.outgoing.append(outgoing)
        return await self._bench.nonces.begin(outgoing)


async def test_26_what_is_written_ahead_bounds_the_order_and_can_be_sent_again_where_the_venue_replays(
    bench: Bench,
) -> None:
    begin, began = Recorded(bench), now()
    await bench.venue.place(request(_id()), begin)
    (outgoing,) = begin.outgoing
    assert began < outgoing.deadline_at <= now() + bench.venue.order_life_ms
    assert bool(outgoing.body) is bench.venue.replays


async def test_27_replay_creates_nothing(bench: Bench) -> None:
    """`replay_creates_nothing`: the request of an order whose answer was lost names that order; a lost one is made once."""
    for trouble in ("reply lost", "lost on the way"):
        before, begin = await bench.orders_at_venue(), Recorded(bench)
        await bench.trouble(trouble)
        with pytest.raises(OutcomeUnknown):
            await bench.venue.place(request(_id()), begin)
        body = begin.outgoing[0].body
        if not bench.venue.replays:
            with pytest.raises(TypeError):
                await bench.venue.replay(body, begin)
            continue
        named = [await bench.venue.replay(body, begin) for _ in range(3)]
        assert len({each.venue_order_id for each in named}) == 1
        assert await bench.orders_at_venue() == before + 1
        assert {each.body for each in begin.outgoing} == {body}
        assert len(begin.outgoing) == 4


async def test_28_what_begin_raises_stops_a_replay(bench: Bench) -> None:
    begin = Recorded(bench)
    await bench.trouble("lost on the way")
    with pytest.raises(OutcomeUnknown):
        await bench.venue.place(request(_id()), begin)

    class Fenced(Exception):  # noqa: N818  # stands for the bus's LeaseLost
        pass

    async def refuse(_outgoing: Outgoing) -> int:
        raise Fenced

    with pytest.raises(Fenced if bench.venue.replays else TypeError):
        await bench.venue.replay(begin.outgoing[0].body, refuse)
    assert await bench.orders_at_venue() == 0


@pytest.mark.parametrize("again", [False, True])
async def test_29_an_order_s_deadline_is_no_later_than_the_end_of_its_age(bench: Bench, again: bool) -> None:
    """The venue is given that end, so that an order which is held up on its way does not buy after it."""
    begin, venue = Recorded(bench), bench.venue
    if again and not venue.replays:
        pytest.skip("this venue has no replay")
    life, shortest = venue.order_life_ms, venue.shortest_life_ms
    for ahead in (life + 5_000, life, shortest + 500, shortest - 500, -60_000):
        started, latest = now(), now() + ahead
        asked = replace(request(_id()), latest_at=latest)
        if again:
            await venue.place(asked, begin)
            await venue.replay(begin.outgoing[-1].body, begin, latest_at=latest)
        else:
            await venue.place(asked, begin)
        nearest = started + min(shortest, life)
        assert nearest - 1_000 <= begin.outgoing[-1].deadline_at <= max(latest, now() + shortest)


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "49000"), (Side.SELL, "51000")])
async def test_30_a_resting_order_stays_open_is_shown_with_its_terms_and_holds_funds(
    bench: Bench, side: Side, limit: str
) -> None:
    asked = resting(limit, side)
    accepted = await bench.venue.place(asked, bench.nonces.begin)
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.status, order.filled.amount) == (VenueOrderStatus.OPEN, Decimal(0))
    assert (order.size, order.limit_price, order.rests, order.post_only) == (asked.size, asked.limit_price, True, False)
    (listed,) = await bench.venue.open_orders()
    assert (listed.venue_order_id, listed.rests) == (accepted.venue_order_id, True)
    found = await bench.venue.find(asked.client_order_id, since=now() - 60_000)
    assert found is not None
    assert found.venue_order_id == accepted.venue_order_id
    held = await bench.venue.balances()
    asset = "USD" if side is Side.BUY else "BTC"
    assert held[asset].total == FUNDS[asset]
    assert held[asset].free <= FUNDS[asset] - (490 if side is Side.BUY else Decimal("0.01"))


async def test_31_a_resting_order_fills_when_the_market_comes_to_it(bench: Bench) -> None:
    accepted = await bench.venue.place(resting("49000"), bench.nonces.begin)
    await bench.set_price(Decimal(48_900))
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.status, order.filled.amount) == (VenueOrderStatus.DONE, Decimal("0.01"))
    assert order.average_price is not None
    assert order.average_price.amount <= 49_000


async def test_32_a_resting_order_that_the_market_meets_fills_at_once(bench: Bench) -> None:
    accepted = await bench.venue.place(resting("50500"), bench.nonces.begin)
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.status, order.average_price) == (VenueOrderStatus.DONE, Price(PRICE, BTC))


async def test_33_a_post_only_order_never_takes(bench: Bench) -> None:
    """It is refused, or taken and cancelled without a fill: both prove that nothing was bought."""
    with suppress(Rejected):
        accepted = await bench.venue.place(resting("50500", post_only=True), bench.nonces.begin)
        order = await bench.venue.order(accepted.venue_order_id)
        assert (order.status, order.filled.amount) == (VenueOrderStatus.DONE, Decimal(0))
        assert order.reason
    below = await bench.venue.place(resting("49000", post_only=True), bench.nonces.begin)
    order = await bench.venue.order(below.venue_order_id)
    assert (order.status, order.post_only) == (VenueOrderStatus.OPEN, True)


async def test_34_a_cancelled_order_has_ended_and_frees_its_funds(bench: Bench) -> None:
    accepted = await bench.venue.place(resting("49000"), bench.nonces.begin)
    await bench.venue.cancel(await bench.venue.order(accepted.venue_order_id))
    order = await end_of(bench.venue, accepted.venue_order_id)
    assert order.filled.amount == 0
    assert order.closed_at is not None
    assert await bench.venue.open_orders() == []
    assert (await bench.venue.balances())["USD"].free == FUNDS["USD"]


async def test_35_a_cancel_may_be_repeated_and_may_come_late(bench: Bench) -> None:
    accepted = await bench.venue.place(resting("49000"), bench.nonces.begin)
    shown = await bench.venue.order(accepted.venue_order_id)
    await bench.venue.cancel(shown)
    await bench.venue.cancel(shown)
    filled = await bench.venue.place(resting("50500"), bench.nonces.begin)
    ended = await bench.venue.order(filled.venue_order_id)
    await bench.venue.cancel(ended)
    assert await bench.venue.order(filled.venue_order_id) == ended


async def test_36_a_cancel_that_meets_a_fill_is_a_fill(bench: Bench) -> None:
    accepted = await bench.venue.place(resting("49000"), bench.nonces.begin)
    shown = await bench.venue.order(accepted.venue_order_id)
    await bench.trouble("fill during cancel", "cancel")
    await bench.venue.cancel(shown)
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.status, order.filled.amount) == (VenueOrderStatus.DONE, Decimal("0.01"))


async def test_37_a_cancel_whose_reply_was_lost_is_unavailable_or_repeated_and_never_taken_for_an_end(
    bench: Bench,
) -> None:
    accepted = await bench.venue.place(resting("49000"), bench.nonces.begin)
    shown = await bench.venue.order(accepted.venue_order_id)
    await bench.trouble("lost on the way", "cancel")
    try:
        await bench.venue.cancel(shown)
    except (Unavailable, OutcomeUnknown):
        assert (await bench.venue.order(accepted.venue_order_id)).status is VenueOrderStatus.OPEN
        await bench.venue.cancel(shown)
    assert (await end_of(bench.venue, accepted.venue_order_id)).filled.amount == 0


async def test_38_what_is_no_resting_limit_order_does_not_say_that_it_rests(bench: Bench) -> None:
    accepted = await bench.venue.place(request(_id()), bench.nonces.begin)
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.rests, order.limit_price) == (False, None)


async def test_39_a_resting_order_needs_a_limit_and_only_such_a_one_can_be_post_only() -> None:
    with pytest.raises(ValueError, match="can rest"):
        replace(request(_id()), rests=True)
    with pytest.raises(ValueError, match="post-only"):
        replace(request(_id(), limit="1"), post_only=True)


async def test_40_a_key_says_whether_it_may_cancel_and_nothing_is_cancelled_by_asking(bench: Bench) -> None:
    accepted = await bench.venue.place(resting("49000"), bench.nonces.begin)
    assert await bench.venue.may_cancel()
    assert (await bench.venue.order(accepted.venue_order_id)).status is VenueOrderStatus.OPEN


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "50500"), (Side.BUY, None), (Side.SELL, "49000")])
async def test_41_a_checked_order_is_taken_by_the_venue_s_word_and_leaves_no_trace(
    bench: Bench, side: Side, limit: str | None
) -> None:
    client_id = _id()
    before = await bench.venue.balances()
    await bench.venue.validate(request(client_id, side, limit=limit))
    assert await bench.orders_at_venue() == 0
    assert await bench.venue.find(client_id, since=None) is None
    after = await bench.venue.balances()
    assert [(after[name].total, after[name].free) for name in FUNDS] == [
        (before[name].total, before[name].free) for name in FUNDS
    ]


async def test_42_an_order_may_be_checked_and_placed_under_one_id(bench: Bench) -> None:
    client_id = _id()
    for _ in range(2):
        await bench.venue.validate(request(client_id, limit="50500"))
    await bench.venue.place(request(client_id, limit="50500"), bench.nonces.begin)
    assert await bench.orders_at_venue() == 1


async def test_43_a_check_says_why_the_order_would_be_refused(bench: Bench) -> None:
    with pytest.raises(Rejected) as refused:
        await bench.venue.validate(request(_id(), size=bench.terms.below_minimum, limit="50500"))
    assert refused.value.refusal is Refusal.MINIMUM
    await bench.trouble("pair halted")
    with pytest.raises(Rejected) as refused:
        await bench.venue.validate(request(_id(), limit="50500"))
    assert refused.value.refusal is Refusal.HALTED
    assert await bench.orders_at_venue() == 0


@pytest.mark.parametrize("name", ["lost on the way", "rate limit"])
async def test_44_a_check_that_met_trouble_is_unavailable_or_repeated_and_places_nothing(
    bench: Bench, name: str
) -> None:
    await bench.trouble(name, "validate")
    with suppress(Unavailable, OutcomeUnknown):
        await bench.venue.validate(request(_id(), limit="50500"))
    assert await bench.orders_at_venue() == 0


async def test_45_a_refused_key_refuses_a_check_too(bench: Bench) -> None:
    await bench.trouble("key revoked", "validate")
    with pytest.raises(Rejected) as refused:
        await bench.venue.validate(request(_id(), limit="50500"))
    assert refused.value.refusal is Refusal.AUTH
