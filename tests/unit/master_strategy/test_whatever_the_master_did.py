"""What the master did, and what users end up with. The rule behind all: when its account is flat in a coin, users are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from structlog.testing import capture_logs

from shared.domain.fault import FaultKind
from shared.domain.master_account import Baseline, NotCopied
from shared.domain.order import Kind, Side
from shared.domain.signal import Source
from shared.domain.values.money import ONE, ZERO
from shared.venues.errors import Unavailable
from shared.venues.port import LeftOut, RowReason, TradeKind
from tests.unit.master_strategy.memory_master import EUR, MemoryMaster
from tests.unit.master_strategy.values import BTC, btc

_LATE = 600_000


def _fractions(master: MemoryMaster) -> list[Decimal | None]:
    return [signal.fraction for signal in master.signals]


async def test_a_margin_order_and_its_cover_are_no_signals_and_it_is_said_once() -> None:
    """Case B1."""
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "0.1")
    await master.scan()
    with capture_logs() as logs:
        await master.trade(Side.SELL, "0.1", kind=TradeKind.MARGIN)
        await master.trade(Side.BUY, "0.1", kind=TradeKind.MARGIN)
        await master.settle()
    assert [signal.kind for signal in master.signals] == [Kind.ENTRY]
    said = [line["reason"] for line in logs if line["event"] == "fill is not told to the users"]
    assert said == [NotCopied.MARGIN, NotCopied.MARGIN]
    assert {row.reason for row in master.memory.uncopied.values()} == {NotCopied.MARGIN}
    assert master.faults.events[FaultKind.MASTER_ROW] == 2
    assert (master.book.size_of("BTC"), master.user()) == (btc("0.1"), Decimal("0.1"))


async def test_bought_for_dollars_and_sold_for_euros_is_an_exit_at_the_price_of_now() -> None:
    """Case B2."""
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "0.02")
    await master.scan()
    master.market.prices[BTC] = Decimal(61_000)
    await master.trade(Side.SELL, "0.02", EUR)
    await master.settle()
    exit_ = master.signals[-1]
    assert (exit_.symbol, exit_.fraction, exit_.base_size, exit_.source) == (BTC, ONE, btc("0.02"), Source.ACCOUNT)
    assert (exit_.price.amount, exit_.quote_size.amount) == (Decimal(61_000), Decimal(1_220))
    assert (len(master.signals), master.user()) == (2, ZERO)


async def test_an_entry_paid_for_in_euros_is_not_copied_and_counts_at_the_next_exit() -> None:
    """Cases B2, B5."""
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "3")
    await master.trade(Side.BUY, "1", EUR)
    await master.scan()
    await master.trade(Side.SELL, "1")
    await master.settle()
    assert _fractions(master) == [None, Decimal("0.25")]
    (row,) = master.memory.uncopied.values()
    assert (row.reason, row.size) == (NotCopied.ANOTHER_QUOTE, btc("1"))


async def test_what_was_bought_too_late_to_copy_counts_at_the_next_exit() -> None:
    """Case B5."""
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "3")
    await master.scan()
    await master.trade(Side.BUY, "3")
    master.now += _LATE
    await master.settle()
    await master.trade(Side.SELL, "3")
    await master.scan()
    assert _fractions(master) == [None, Decimal("0.5")]
    assert master.user() == Decimal("1.5")


@pytest.mark.parametrize("seen_between", [True, False])
async def test_a_resting_purchase_of_which_he_sells_before_it_ends_leaves_users_flat(*, seen_between: bool) -> None:
    """Case S3."""
    master = MemoryMaster()
    await master.start()
    resting = await master.rest(Side.BUY, "10")
    master.fill(resting, "4")
    await master.trade(Side.SELL, "2")
    if seen_between:
        await master.scan()
        assert master.user() == Decimal(2)
    master.fill(resting, "6")
    master.end(resting)
    await master.scan()
    assert master.user() == Decimal(8)
    await master.trade(Side.SELL, "8")
    await master.settle()
    assert master.user() == ZERO
    assert master.signals[-1].fraction == ONE


async def test_a_part_of_a_resting_sale_is_told_as_soon_as_the_account_shows_it() -> None:
    """Case S3, the other way about."""
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "10")
    await master.settle(4)
    resting = await master.rest(Side.SELL, "10")
    master.fill(resting, "5")
    await master.settle(4)
    assert master.user() == Decimal(5)
    master.fill(resting, "5")
    master.end(resting)
    await master.settle(4)
    assert master.user() == ZERO


@pytest.mark.parametrize(
    ("baseline", "fraction"), [(Baseline.SEPARATE, ONE), (Baseline.WHOLE_POSITION, Decimal("0.0384615384615"))]
)
async def test_coins_that_came_without_an_order_stand_apart_or_are_part_of_the_position(
    baseline: Baseline, fraction: Decimal
) -> None:
    """Case B4: has 0.5, buys 0.02, sells 0.02."""
    master = MemoryMaster(baseline)
    master.account.balances["BTC"] = Decimal("0.5")
    await master.start()
    await master.trade(Side.BUY, "0.02")
    await master.settle()
    await master.trade(Side.SELL, "0.02")
    await master.settle()
    assert _fractions(master) == [None, fraction]
    assert master.memory.holdings["BTC"].baseline is baseline
    assert master.memory.holdings["BTC"].total == btc("0.5")
    apart = master.memory.holdings["BTC"].apart.amount
    assert apart + master.book.size_of("BTC").amount == Decimal("0.5")
    await master.trade(Side.SELL, "0.5")
    await master.settle()
    assert master.user() == ZERO


async def test_a_withdrawal_of_everything_makes_users_exit_once() -> None:
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "2")
    await master.scan()
    master.account.move("BTC", Decimal(-2))
    await master.settle(18)
    assert _fractions(master) == [None, ONE]
    assert master.signals[-1].master_order_id.startswith("flat:BTC:")
    assert not master.book.held()


async def test_a_withdrawal_of_a_part_lowers_the_position_and_sells_nothing() -> None:
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "2")
    await master.scan()
    master.account.move("BTC", Decimal(-1))
    await master.settle(18)
    assert (_fractions(master), master.book.size_of("BTC")) == ([None], btc("1"))
    await master.trade(Side.SELL, "1")
    await master.settle()
    assert master.user() == ZERO


async def test_a_balance_that_lags_behind_a_purchase_sells_nothing() -> None:
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "1")
    master.account.lagging["BTC"] = Decimal(1)
    await master.scan()
    await master.scan()
    await master.trade(Side.SELL, "0.5")
    await master.scan()
    master.account.lagging.clear()
    await master.settle(18)
    assert _fractions(master) == [None, Decimal("0.5")]


async def test_a_purchase_that_the_balance_does_not_show_for_a_minute_is_not_taken_for_sold() -> None:
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "1")
    master.account.lagging["BTC"] = Decimal(1)
    await master.settle(5)
    assert (_fractions(master), master.book.size_of("BTC")) == ([None], btc("1"))
    master.account.lagging.clear()
    await master.settle(18)
    await master.trade(Side.SELL, "0.5")
    await master.settle()
    assert _fractions(master) == [None, Decimal("0.5")]


async def test_a_balance_that_cannot_be_read_is_no_empty_account() -> None:
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "1")
    await master.scan()
    master.account.unreadable_balances.add("BTC")
    master.account.balances.pop("BTC")
    for _ in range(12):
        master.now += 12_000
        await master.mirror.refresh()
        assert master.mirror.equity is None
        assert master.mirror.equity_reason == "the balance of BTC could not be read"
        await master.watcher.scan()
    assert _fractions(master) == [None]


@pytest.mark.parametrize("baseline", Baseline)
async def test_a_balance_that_cannot_be_read_makes_no_whole_exit_of_a_half(baseline: Baseline) -> None:
    master = MemoryMaster(baseline=baseline)
    await master.start()
    await master.trade(Side.BUY, "1")
    await master.settle(18)
    await master.trade(Side.SELL, "0.5")
    master.account.unreadable_balances.add("BTC")
    await master.watcher.scan()
    assert _fractions(master) == [None, Decimal("0.5")]


async def test_a_minimum_that_the_venue_raises_above_the_position_sells_nothing() -> None:
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "1")
    await master.scan()
    master.market.instruments[BTC] = replace(master.market.instruments[BTC], min_size=Decimal(5))
    await master.mirror.connect()
    await master.settle(18)
    assert _fractions(master) == [None]


async def test_one_row_that_cannot_be_read_is_reported_and_all_others_are_told() -> None:
    """Case E1."""
    master = MemoryMaster()
    await master.start()
    master.account.left_out.append(LeftOut("OBAD", RowReason.UNREADABLE, "ValueError in the row", "", master.now + 1))
    await master.trade(Side.BUY, "1")
    with capture_logs() as logs:
        await master.settle(3)
    assert [signal.kind for signal in master.signals] == [Kind.ENTRY]
    assert [line["row"] for line in logs if line["event"] == "a row of the master's account is left out"] == ["OBAD"]
    assert [fault.subject for fault in master.faults.standing] == ["OBAD"]


async def test_an_unread_row_is_read_again_for_a_while_and_then_given_up() -> None:
    """Case B3: it is not dropped for ever, nor does it hold everything back for ever."""
    master = MemoryMaster()
    await master.start()
    master.account.left_out.append(LeftOut("ONEW", RowReason.UNKNOWN_PAIR, "the pair X", "", master.now + 1, "X"))
    await master.settle(20)
    assert [fault.subject for fault in master.faults.standing] == ["ONEW"]  # long after the usual overlap
    master.now += 3_600_000
    await master.settle(2)
    assert not master.faults.standing
    assert master.memory.uncopied["ONEW"].reason == RowReason.UNKNOWN_PAIR


async def test_nothing_is_concluded_of_an_account_while_a_row_is_unread() -> None:
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "1")
    await master.scan()
    master.account.left_out.append(LeftOut("OBAD", RowReason.UNREADABLE, "a sale, perhaps", "", master.now + 1))
    master.account.move("BTC", Decimal(-1))
    await master.settle(18)
    assert _fractions(master) == [None]
    master.account.left_out.clear()
    await master.settle(4)
    assert _fractions(master) == [None, ONE]


@pytest.mark.parametrize(("cost", "told"), [("6000", True), ("0.1", False)])
async def test_an_order_sized_in_quote_is_copied_only_if_its_size_is_plausible(cost: str, *, told: bool) -> None:
    master = MemoryMaster()
    await master.start()
    order = await master.trade(Side.BUY, "0.1", kind=TradeKind.SIZED_IN_QUOTE)
    master.account.orders[-1] = replace(order, cost=type(order.cost)(Decimal(cost), "USD"))
    await master.scan()
    assert bool(master.signals) is told
    assert [row.reason for row in master.memory.uncopied.values()] == ([] if told else [NotCopied.SIZED_IN_QUOTE])


async def test_scans_that_fail_for_a_minute_block_until_one_succeeds() -> None:
    """Case E6."""
    master = MemoryMaster()
    await master.start()
    watch = asyncio.create_task(master.health.watch())
    await asyncio.sleep(0)
    master.venue.fail("closed_orders", Unavailable("busy"), times=1)
    assert not await master.watcher.scan_or_report()
    master.now += 50_000
    master.health.look()
    assert not master.faults.standing
    master.now += 15_000
    master.health.look()
    (fault,) = master.faults.standing
    assert (fault.kind, fault.blocks, "busy" in fault.reason) == (FaultKind.MASTER_SCAN, True, True)
    assert await master.watcher.scan_or_report()
    assert not master.faults.standing
    watch.cancel()


_Action = Callable[[MemoryMaster], Coroutine[Any, Any, None]]
_SHARES = st.sampled_from([Decimal(1) / 8, Decimal(1) / 4, Decimal(1) / 2, Decimal(1)])
_SIZES = st.sampled_from(["0.5", "1", "2", "8"])


def _held(master: MemoryMaster) -> Decimal:
    return master.account.balances.get("BTC", ZERO)


@st.composite
def _action(draw: st.DrawFn) -> _Action:  # noqa: C901  # one line per thing that a person can do
    what = draw(
        st.sampled_from(
            ["buy", "sell", "euro_buy", "euro_sell", "margin", "rest", "deposit", "withdraw", "outage", "scan", "lag"]
        )
    )
    size, share = draw(_SIZES), draw(_SHARES)

    async def act(master: MemoryMaster) -> None:
        part = (_held(master) * share).quantize(Decimal("0.00000001"))
        if what in {"buy", "euro_buy"}:
            await master.trade(Side.BUY, size, BTC if what == "buy" else EUR)
        elif what in {"sell", "euro_sell"} and part > Decimal("0.001"):
            await master.trade(Side.SELL, part, BTC if what == "sell" else EUR)
        elif what == "margin":
            await master.trade(Side.BUY, size, kind=TradeKind.MARGIN)
        elif what == "rest":
            resting = await master.rest(Side.BUY, "8")
            for filled in (Decimal(3), Decimal(1)):
                master.fill(resting, filled)
                sold = (_held(master) * share / 2).quantize(Decimal("0.00000001"))
                await master.trade(Side.SELL, sold)
                await master.scan()
            master.end(resting)
        elif what == "deposit":
            master.account.move("BTC", Decimal(size))
        elif what == "withdraw":
            master.account.move("BTC", -part)
        elif what == "outage":
            master.now += _LATE
        elif what == "lag":
            await master.trade(Side.BUY, size)
            master.account.lagging["BTC"] = Decimal(size)
            await master.scan()
            master.account.lagging.clear()
        else:
            await master.scan()

    return act


@given(
    st.lists(_action(), max_size=10),
    st.sampled_from(list(Baseline)),
    st.sampled_from(["sell", "euro_sell", "withdraw"]),
)
@settings(max_examples=150, deadline=None)
def test_master_flat_users_flat(actions: list[_Action], baseline: Baseline, way_out: str) -> None:
    """Cases S3, B2, B4, B5: whatever happened before, users hold nothing once the account holds nothing."""

    async def play() -> MemoryMaster:
        master = MemoryMaster(baseline)
        await master.start()
        for act in actions:
            await act(master)
            exits = [signal.fraction or ZERO for signal in master.signals if signal.kind is Kind.EXIT]
            assert all(ZERO < fraction <= ONE for fraction in exits)
        if way_out == "withdraw":
            master.account.move("BTC", -_held(master))
        elif _held(master) > Decimal("0.001"):
            await master.trade(Side.SELL, _held(master), EUR if way_out == "euro_sell" else BTC)
        await master.settle(18)
        return master

    with capture_logs():
        master = asyncio.run(play())
    if _held(master) <= Decimal("0.00001"):
        assert master.user() == ZERO
        assert not master.book.open_symbols("BTC")
        emitted = len(master.signals)
        with capture_logs():
            asyncio.run(master.settle(4))
        assert len(master.signals) == emitted


@given(st.lists(_action(), max_size=8), st.sampled_from(list(Baseline)))
@settings(max_examples=60, deadline=None)
def test_nobody_holds_more_than_the_master_was_seen_to_buy(actions: list[_Action], baseline: Baseline) -> None:
    async def play() -> MemoryMaster:
        master = MemoryMaster(baseline)
        await master.start()
        for act in actions:
            await act(master)
        await master.settle(3)
        return master

    with capture_logs():
        master = asyncio.run(play())
    bought = sum((order.filled.amount for order in master.account.orders if order.side is Side.BUY), ZERO)
    told = [signal.master_order_id for signal in master.signals]
    assert master.user() <= bought
    assert len(master.memory.ids) == len(told)
