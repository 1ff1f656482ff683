"""What the master did, and what users end up with. The rule behind all: when its account is flat in a coin, users are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from shared.domain.fault import FaultKind
from shared.domain.master_account import Baseline, NotCopied
from shared.domain.order import Kind, Side
from shared.domain.signal import Source
from shared.domain.values.money import ONE, ZERO
from shared.venues.port import TradeKind
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


@pytest.mark.parametrize(("cost", "told"), [("6000", True), ("0.1", False)])
async def test_an_order_sized_in_quote_is_copied_only_if_its_size_is_plausible(cost: str, *, told: bool) -> None:
    master = MemoryMaster()
    await master.start()
    order = await master.trade(Side.BUY, "0.1", kind=TradeKind.SIZED_IN_QUOTE)
    master.account.orders[-1] = replace(order, cost=type(order.cost)(Decimal(cost), "USD"))
    await master.scan()
    assert bool(master.signals) is told
    assert [row.reason for row in master.memory.uncopied.values()] == ([] if told else [NotCopied.SIZED_IN_QUOTE])
