"""Two masters in one account: a sale for one never touches what another bought, and the books add up to the account."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Final

import pytest

from services.executor.protection.guardian import Guardian
from services.executor.protection.high_marks import HighMarks
from services.executor.protection.housekeeper import Task
from services.executor.protection.own_exits import OwnExits
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.state.records import Records, pairs
from shared.bus.state.watch import Watch
from shared.contracts import keys
from shared.domain.limits.policy import ExitPolicy, FollowedMaster
from shared.domain.order import Decision, OrderState
from shared.domain.position import MAIN, Position
from shared.domain.reason import ReasonCode
from shared.domain.values.money import ZERO
from tests.integration.executor.rig import USER, Owner, Rig, crash, own_exits, reconciler, until
from tests.support.examples import BTC_USD, a_policy, btc, btc_price, usd

SWING: Final = "swing"
NAMES: Final = (MAIN, SWING, "trend")
TABLES: Final = tuple(FollowedMaster(name, "kraken", Decimal(50)) for name in (SWING, "trend"))


@pytest.fixture
async def owner(rig: Rig) -> Owner:
    """A process that serves alice, who follows two named masters beside her venue's."""
    rig.policy = a_policy(USER, masters=TABLES)
    return await rig.start()


def of(master: str, decision: Decision) -> Decision:
    return replace(decision, master=master)


async def books(rig: Rig) -> dict[str, Decimal]:
    """Return what is held for each master, having checked that it adds up to the position and is in the account."""
    position = await rig.position()
    found = {} if position is None else {name: book.size.amount for name, book in position.split().items()}
    total = ZERO if position is None else position.size.amount
    assert sum(found.values(), ZERO) == total
    assert total <= rig.account.balances.get("BTC", ZERO)
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_a_sale_for_one_master_never_touches_what_another_bought(rig: Rig, owner: Owner, seed: int) -> None:
    chance = random.Random(seed)  # a sequence of orders, no secret
    expected = dict.fromkeys(NAMES, ZERO)
    for _ in range(12):
        master = chance.choice(NAMES)
        if chance.random() < 0.5:
            report = await rig.carry(owner, of(master, rig.entry(chance.choice(["0.005", "0.008", "0.01"]))))
            expected[master] += report.filled_size or ZERO
        else:
            report = await rig.carry(owner, of(master, rig.close(chance.choice(["1", "0.5", "0.25"]))))
            assert (report.outcome is OrderState.SKIPPED) == (expected[master] == 0)
            expected[master] -= report.filled_size or ZERO
        assert report.master == master
        assert await books(rig) == {name: size for name, size in expected.items() if size}


async def test_an_exit_for_a_master_without_a_book_sells_nothing(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    report = await rig.carry(owner, of(SWING, rig.close()))
    assert (report.outcome, report.code) == (OrderState.SKIPPED, ReasonCode.NOTHING_HELD)
    assert await books(rig) == {MAIN: Decimal("0.05")}


async def test_a_crash_in_an_exit_leaves_the_other_book_alone(rig: Rig, owner: Owner) -> None:
    """The next owner resolves the leg that was sent, and books it for the master whose exit it is."""
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, of(SWING, rig.entry("0.03")))
    rig.account.rests = True
    decision = of(SWING, rig.close())
    task = await rig.begin(owner, decision)

    async def resting() -> bool:
        return len(owner.venue.sent) == 3

    await until(resting, "the exit is sent")
    await crash(task)
    for order in list(rig.account.orders)[-1:]:
        rig.account.finish(order.venue_order_id, Decimal(1), btc_price(61_000), btc("0.03"), rig.clock.now)
    rig.account.rests = False
    report = await rig.carry(await rig.start(), decision, redelivered=True)
    assert (report.outcome, report.filled_size, report.master) == (OrderState.FILLED, Decimal("0.03"), SWING)
    assert await books(rig) == {MAIN: Decimal("0.05")}
    assert (await rig.record(decision))["master"] == SWING


async def test_profit_is_that_of_the_book_that_was_sold(rig: Rig, owner: Owner) -> None:
    """By the account's average cost, a sale of the dear book would make too much, and the other one's cost would rise."""
    rig.account.taker_fee = ZERO
    await rig.carry(owner, rig.entry("0.05"))
    rig.market.prices[BTC_USD] = Decimal(40_000)
    await rig.carry(owner, of(SWING, rig.entry("0.05", limit="41000")))
    before = await rig.position()
    assert before is not None
    await rig.carry(owner, rig.close())
    left = await rig.position()
    assert left is not None
    assert left.book(SWING) == before.book(SWING)
    assert left.cost == before.book(SWING).cost
    risk = await Records(rig.bus).risk(USER, "kraken")
    assert risk is not None
    assert Decimal(-1020) < risk.realized.amount < Decimal(-980)  # 0.05 bought at 60,000 and sold at 40,000, with fees


async def test_the_share_of_a_master_bounds_its_book_and_not_the_other(rig: Rig, owner: Owner) -> None:
    owner.context.follow(replace(owner.context.policy, masters=(FollowedMaster(SWING, "kraken", Decimal(10)),)))
    await rig.carry(owner, rig.entry("0.05"))
    report = await rig.carry(owner, of(SWING, rig.entry("0.05")))
    assert (await books(rig))[SWING] < Decimal("0.017")  # 10 % of 10,000 USD at 60,300
    assert "follow.swing.share_pct 10" in report.reason
    second = await rig.carry(owner, of(SWING, rig.entry("0.05")))
    assert (second.outcome, second.code) == (OrderState.SKIPPED, ReasonCode.MASTER_SHARE)


async def test_an_entry_for_a_master_that_is_no_longer_followed_is_not_sent_but_its_exit_is(
    rig: Rig, owner: Owner
) -> None:
    await rig.carry(owner, of(SWING, rig.entry("0.05")))
    owner.context.follow(replace(owner.context.policy, masters=()))
    report = await rig.carry(owner, of(SWING, rig.entry("0.05")))
    assert (report.outcome, report.code) == (OrderState.SKIPPED, ReasonCode.VENUE_NOT_FOLLOWED)
    await rig.carry(owner, of(SWING, rig.close()))
    assert await rig.position() is None


@pytest.mark.usefixtures("short_retries")
async def test_coins_that_the_owner_took_are_missing_where_an_exit_finds_it(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose coins they were cannot be known: the first exit sells its whole book, the next one ends with what is there."""
    monkeypatch.setattr("services.executor.orders.exit_progress._WAIT_FIRST", 0.001)
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, of(SWING, rig.entry("0.03")))
    rig.account.move("BTC", Decimal("-0.01"))
    await rig.carry(owner, rig.close())
    left = await rig.position()
    assert left is not None
    assert [(name, book.size) for name, book in left.split().items()] == [(SWING, btc("0.03"))]
    report = await rig.carry(owner, of(SWING, rig.close()))
    assert (report.outcome, report.filled_size) == (OrderState.PARTIAL, Decimal("0.02"))
    assert await rig.position() is None


async def test_a_repair_of_the_books_takes_from_each_in_proportion(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.06"))
    await rig.carry(owner, of(SWING, rig.entry("0.02")))
    rig.account.move("BTC", Decimal("-0.04"))
    rig.clock.now += 60_000
    assert await reconciler(owner.context, set).repair(BTC_USD)
    assert await books(rig) == {MAIN: Decimal("0.03"), SWING: Decimal("0.01")}


@asynccontextmanager
async def guarding(rig: Rig, owner: Owner) -> AsyncIterator[Guardian]:
    async def run_task(task: Task) -> None:
        await task()

    async with asyncio.TaskGroup() as tasks:
        exits = own_exits(owner, SymbolQueues(tasks, run_task))
        await exits.queue_noted()
        yield Guardian(owner.context, Watch(rig.bus), exits)
        await until(partial(_quiet, exits), "all own exits are over")


async def _quiet(exits: OwnExits) -> bool:
    return not exits.busy


async def held(rig: Rig) -> Position:
    """Hold a bitcoin's hundredths in two books: the main one at 60,000, that of swing at 50,000."""
    now = rig.clock.now
    main = Position(BTC_USD, btc("0.05"), usd(3_000), now, now)
    both = main.with_book(SWING, Position(BTC_USD, btc("0.05"), usd(2_500), now, now))
    await Records(rig.bus).write_position(USER, "kraken", both)
    rig.account.move("BTC", Decimal("0.1"))
    return both


async def at_price(rig: Rig, price: str) -> None:
    rig.market.prices[BTC_USD] = Decimal(price)
    await Records(rig.bus).write_prices("kraken", [btc_price(price)], rig.clock.now)


async def test_a_stop_is_measured_by_the_book_and_sells_the_book_alone(rig: Rig, owner: Owner) -> None:
    """The account's average of 55,000 would not have stopped it at 56,900, nor spared the other book at 52,000."""
    both = await held(rig)
    await at_price(rig, "56900")
    async with guarding(rig, owner) as guardian:
        await guardian.look()
    left = await rig.position()
    assert left is not None
    assert left.split() == {SWING: both.book(SWING)}
    (report,) = await rig.reports()
    assert (report.code, report.master, report.filled_size) == ("stop_loss", MAIN, Decimal("0.05"))


async def test_each_book_has_an_own_exit_of_its_own(rig: Rig, owner: Owner) -> None:
    await held(rig)
    await at_price(rig, "40000")
    async with guarding(rig, owner) as guardian:
        await guardian.look()
        await guardian.look()
    reports = await rig.reports()
    assert sorted(each.master for each in reports) == [MAIN, SWING]
    assert len({each.order_id for each in reports}) == 2
    assert await rig.position() is None
    assert pairs(await rig.bus.do("HGETALL", keys.own_exits(USER, "kraken"))) == {}


async def test_the_next_owner_ends_the_own_exit_of_a_named_book(rig: Rig, owner: Owner) -> None:
    both = await held(rig)
    exits = own_exits(owner, SymbolQueues(None, None))  # type: ignore[arg-type]  # it decides only
    decision = exits._decide(SWING, both.book(SWING), "stop_loss", "a test")
    await owner.context.store.note_own_exit(decision)
    assert list(pairs(await rig.bus.do("HGETALL", keys.own_exits(USER, "kraken")))) == ["BTC/USD swing"]
    async with guarding(rig, await rig.start()):
        pass
    (report,) = await rig.reports()
    assert (report.order_id, report.master) == (decision.id, SWING)
    assert await books(rig) == {MAIN: Decimal("0.05")}


async def test_a_trailing_stop_is_measured_from_the_high_of_its_book(rig: Rig, owner: Owner) -> None:
    both = await held(rig)
    high = replace(both.book(MAIN), high=btc_price("70000"))
    await Records(rig.bus).write_position(USER, "kraken", both.with_book(MAIN, high))
    exits = ExitPolicy(stop_loss_pct=None, trailing_pct=Decimal(10))
    owner.context.follow(replace(owner.context.policy, exits=exits))
    await at_price(rig, "62000")
    async with guarding(rig, owner) as guardian:
        await guardian.look()
    assert await books(rig) == {SWING: Decimal("0.05")}
    left = await rig.position()
    assert left is not None
    assert left.book(SWING).high == btc_price("62000")


async def test_a_high_is_not_handed_to_what_was_bought_after_the_book_was_sold(rig: Rig, owner: Owner) -> None:
    """The guardian has looked before the sale and writes after it: the next position begins with its own high."""
    both = await held(rig)
    marks = HighMarks(owner.context.positions)
    again = Position(BTC_USD, btc("0.05"), usd(2_500), rig.clock.now + 5, rig.clock.now + 5)
    await Records(rig.bus).write_position(USER, "kraken", both.with_book(SWING, again))
    await marks.raised(SWING, both.book(SWING), btc_price("70000"))
    left = await rig.position()
    assert left is not None
    assert left.book(SWING).high is None
