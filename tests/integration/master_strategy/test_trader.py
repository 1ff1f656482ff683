"""The master's own orders go out once and end as the venue's record says. How they are resolved: tests/integration/execution."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from services.master_strategy.trading.own_order import OwnOrder
from shared.bus.errors import LeaseLost
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.order import OrderState
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from tests.integration.master_strategy.rig import Rig, Run, buy, sell, until
from tests.unit.master_strategy.values import BTC, btc


@pytest.fixture
async def run(rig: Rig) -> Run:
    started = await rig.start()
    await started.resume()
    return started


async def test_a_lost_reply_gives_one_order_and_one_signal(rig: Rig, run: Run) -> None:
    run.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    rig.account.hidden_lookups = 2
    await run.trade(buy())
    assert len(rig.account.orders) == 1
    assert len(await rig.signals()) == 1
    assert [report.outcome for report in await rig.reports()] == [OrderState.FILLED]


async def test_nothing_else_is_sent_for_a_symbol_while_an_order_is_unknown(rig: Rig, run: Run) -> None:
    run.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    question = "replay" if run.venue.replays else "find"
    gate = run.venue.hold(question)
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        own = trader.start(BTC, buy(), "sma-cross")
        await until(lambda: run.venue.calls[question])
        assert not trader.available(BTC)
        assert (await rig.record(own.id))["state"] == "unknown"
        gate.set()
    assert trader.available(BTC)


async def test_a_refused_order_ends_as_rejected_with_the_venues_words_and_the_symbol_rests(rig: Rig, run: Run) -> None:
    run.venue.fail("place", Rejected("EOrder:Insufficient funds", Refusal.FUNDS))
    trader = await run.trade(sell())
    [report] = await rig.reports()
    assert (report.outcome, report.reason) == (OrderState.REJECTED, "EOrder:Insufficient funds")
    assert trader.refused_for_funds(BTC)
    assert not trader.available(BTC)
    rig.time.now += 15_000
    assert trader.available(BTC)


async def test_an_order_that_was_not_processed_is_not_sent_again_by_itself(rig: Rig, run: Run) -> None:
    run.venue.fail("place", Unavailable("EService:Unavailable"))
    await run.trade(buy())
    assert run.venue.calls["place"] == 1
    assert [report.outcome for report in await rig.reports()] == [OrderState.FAILED]


async def test_a_refused_key_ends_the_session(run: Run) -> None:
    run.venue.fail("place", Rejected("EAPI:Invalid key", Refusal.AUTH))
    with pytest.raises(ExceptionGroup) as ended:
        await run.trade(buy())
    assert ended.group_contains(Rejected)


async def test_a_partial_fill_is_told_as_what_filled(rig: Rig, run: Run) -> None:
    rig.account.fill_share = Decimal("0.25")
    await run.trade(buy("0.1"))
    [signal] = await rig.signals()
    assert signal.base_size == btc("0.025")
    assert [report.outcome for report in await rig.reports()] == [OrderState.PARTIAL]


@pytest.mark.parametrize(("mode", "entries", "exits"), [("pause", 0, 1), ("close_only", 0, 1), ("halt", 0, 0)])
async def test_the_switch_is_read_before_every_send(rig: Rig, run: Run, mode: str, entries: int, exits: int) -> None:
    await run.trade(buy("0.1"))
    await rig.bus.do("HSET", keys.CONTROL, "mode", mode, "reason", "a test")
    await run.trade(buy("0.1"))
    assert len(rig.account.orders) == 1 + entries
    await run.trade(sell("0.1"))
    assert len(rig.account.orders) == 1 + entries + exits


async def test_the_switch_of_the_master_alone_counts_too(rig: Rig, run: Run) -> None:
    await rig.bus.do("HSET", keys.control(MASTER), "mode", "pause")
    await run.trade(buy())
    assert not rig.account.orders


async def test_a_master_that_was_replaced_sends_nothing_and_tells_nothing(rig: Rig, run: Run) -> None:
    await rig.start()
    with pytest.raises(ExceptionGroup) as ended:
        await run.trade(buy())
    assert ended.group_contains(LeaseLost)
    assert not rig.account.orders


async def _named_and_lost(rig: Rig, run: Run, tasks: asyncio.TaskGroup) -> OwnOrder:
    """Have the venue take an order, name it, and show it in no list for ten minutes and more."""
    rig.account.hidden_lookups = 1_000_000
    own = run.trader(tasks).start(BTC, buy(), "sma-cross")
    began = rig.time.now
    await until(lambda: rig.time.now > began + 600_000)
    assert await rig.reports() == []
    assert (await rig.record(own.id))["state"] == "accepted"
    return own


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        ({"verdict": "none"}, OrderState.FAILED),
        ({"verdict": "filled", "verdict_size": "0.1", "verdict_price": "60000"}, OrderState.FILLED),
    ],
)
async def test_a_person_can_end_the_asking_about_an_order_of_the_masters(
    rig: Rig, run: Run, verdict: dict[str, str], outcome: OrderState
) -> None:
    """Case R1. An entry that was settled by hand is in the master's position, and is not told as a fresh one."""
    async with asyncio.TaskGroup() as tasks:
        own = await _named_and_lost(rig, run, tasks)
        fields = {**verdict, "verdict_by": "ann"}
        await rig.bus.do("HSET", keys.order(MASTER, own.id), *(part for pair in fields.items() for part in pair))
    [report] = await rig.reports()
    assert report.outcome is outcome
    assert "settled by hand by ann" in report.reason
    assert await rig.signals() == []
    assert run.book.position(BTC).size == btc("0.1" if outcome is OrderState.FILLED else "0")
