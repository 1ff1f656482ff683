"""Resting orders of the master reach the users who mirror them, once each, and never hold up a signal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, Group, read_entries
from shared.bus.flow.sweep import FIRST_SWEEP
from shared.bus.master.master_orders import MasterOrderLog
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.mirror import MasterOrderMessage, RestingOrderMessage
from shared.domain.account import MASTER
from shared.domain.limits.policy import OrdersMode, UserPolicy
from shared.domain.mirror import MasterAction, MasterOrder, MirrorAction, MirrorDecision, mirror_id
from shared.domain.order import Side, order_id
from tests.support.engines import read_elsewhere, running, until
from tests.support.examples import NOW, an_account, an_entry, btc, btc_price, usd

Emit = Callable[..., Awaitable[Entry]]
MASTERS = "OMASTR-00001-AAAAAA"


@pytest.fixture
async def mirroring(bus: Bus, users: Sequence[UserPolicy]) -> list[UserPolicy]:
    """Alice and bob mirror orders, carol copies fills; the master is ready."""
    await Records(bus).write_account(an_account(MASTER))
    return [
        replace(policy, orders=OrdersMode.FILLS if policy.user == "carol" else OrdersMode.MIRROR) for policy in users
    ]


def an_order(**changes: object) -> MasterOrder:
    """A purchase of 0.1 BTC at 59,000 by a master with 10,000 USD."""
    usual = MasterOrder(
        id=mirror_id("kraken", MASTERS),
        venue="kraken",
        master_order_id=MASTERS,
        version=1,
        action=MasterAction.PLACED,
        symbol=btc_price(1).symbol,
        side=Side.BUY,
        size=btc("0.1"),
        limit_price=btc_price("59000"),
        post_only=True,
        filled=btc(0),
        fraction=None,
        master_equity=usd(10_000),
        seen_at=NOW,
        emitted_at=NOW,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # a test's own values


class Master:
    """Emits versions of one order as the master does."""

    def __init__(self, bus: Bus, order: MasterOrder) -> None:
        self._bus = bus
        self._log = MasterOrderLog(bus, "kraken")
        self.order = order

    async def placed(self) -> str:
        entry = await self._log.emit(self.order)
        assert entry is not None
        self.order = replace(self.order, placed_entry=entry)
        return entry

    async def next(self, action: MasterAction, **changes: object) -> str:
        self.order = replace(self.order, version=self.order.version + 1, action=action, **changes)  # type: ignore[arg-type]  # a test's own values
        entry = await self._log.emit(self.order)
        assert entry is not None
        return entry


async def decisions(bus: Bus, user: str) -> list[tuple[str, MirrorDecision]]:
    rows = read_entries(keys.resting(user), await bus.do("XRANGE", keys.resting(user), "-", "+"))
    return [(entry.id, RestingOrderMessage.parse(entry.fields).to_domain()) for entry in rows]


async def carried(bus: Bus, count: int) -> None:
    """Wait until so many events were read and acknowledged."""

    async def done() -> bool:
        rows = [pairs(row) for row in await bus.do("XINFO", "GROUPS", keys.MASTER_ORDERS)]
        read = [row for row in rows if row["name"] == keys.ENGINE and not row["pending"]]
        return bool(read) and str(read[0]["entries-read"]) == str(count)

    await until(done)


async def test_an_order_is_decided_once_per_user_who_mirrors_at_the_master_s_limit(
    bus: Bus, mirroring: list[UserPolicy]
) -> None:
    master = Master(bus, an_order())
    async with running(bus, mirroring):
        entry = await master.placed()
        await carried(bus, 1)
    for user in ("alice", "bob"):
        ((entry_id, wanted),) = await decisions(bus, user)
        decision, copy = wanted.decision, wanted.decision.copy
        assert (entry_id, wanted.action, wanted.version) == (entry, MirrorAction.PLACE, 1)
        assert decision.id == order_id(mirror_id("kraken", MASTERS), user, "kraken")
        assert copy is not None
        assert (copy.base_size, copy.limit_price, wanted.post_only) == (btc("0.05"), btc_price("59000"), True)
        assert (wanted.master_size, wanted.master_filled) == (Decimal("0.1"), Decimal(0))
    assert await decisions(bus, "carol") == []


async def test_what_changes_of_it_goes_to_those_for_whom_it_was_placed(bus: Bus, mirroring: list[UserPolicy]) -> None:
    users = [
        replace(policy, symbols=replace(policy.symbols, exclude=frozenset({an_order().symbol})))
        if policy.user == "bob"
        else policy
        for policy in mirroring
    ]
    master = Master(bus, an_order())
    async with running(bus, users):
        await master.placed()
        await carried(bus, 1)
        await master.next(MasterAction.AMENDED, limit_price=btc_price("58000"), size=btc("0.2"))
        await master.next(MasterAction.ENDED, filled=btc("0.05"))
        await carried(bus, 3)
    placed, amended, ended = [wanted for _, wanted in await decisions(bus, "alice")]
    assert {each.decision.id for each in (placed, amended, ended)} == {placed.decision.id}
    assert [each.action for each in (amended, ended)] == [MirrorAction.AMEND, MirrorAction.CANCEL]
    assert amended.decision.copy is not None
    assert (amended.decision.copy.limit_price, amended.master_size) == (btc_price("58000"), Decimal("0.2"))
    assert ended.master_filled == Decimal("0.05")
    ((_, skipped),) = await decisions(bus, "bob")
    assert (skipped.decision.copy, skipped.decision.code) == (None, "symbol_filtered")


async def test_a_user_who_mirrors_no_more_still_gets_the_end_of_what_was_placed(
    bus: Bus, mirroring: list[UserPolicy]
) -> None:
    master = Master(bus, an_order())
    async with running(bus, mirroring):
        await master.placed()
        await carried(bus, 1)
    back = [replace(policy, orders=OrdersMode.FILLS) for policy in mirroring]
    async with running(bus, back, "second"):
        await master.next(MasterAction.ENDED)
        await carried(bus, 2)
    assert [wanted.action for _, wanted in await decisions(bus, "alice")] == [MirrorAction.PLACE, MirrorAction.CANCEL]


async def test_an_order_with_a_fill_that_is_a_signal_is_not_mirrored(
    bus: Bus, mirroring: list[UserPolicy], emit: Emit
) -> None:
    master = Master(bus, an_order())
    async with running(bus, mirroring):
        await emit(an_entry(master_order_id=MASTERS))
        await master.placed()
        await carried(bus, 1)
    ((_, wanted),) = await decisions(bus, "alice")
    assert (wanted.decision.copy, wanted.decision.code) == (None, "copied_by_fills")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"master_equity": None}, "master_equity_unknown"),
        ({"size": btc("0.00008")}, "below_minimum"),
    ],
)
async def test_guards_limits_and_minimums_apply_to_a_purchase(
    bus: Bus, mirroring: list[UserPolicy], changes: dict[str, object], code: str
) -> None:
    master = Master(bus, an_order(**changes))
    async with running(bus, mirroring):
        await master.placed()
        await carried(bus, 1)
    ((_, wanted),) = await decisions(bus, "alice")
    assert (wanted.decision.copy, wanted.decision.code) == (None, code)


@pytest.mark.parametrize("mode", ["pause", "halt"])
async def test_a_kill_switch_skips_a_purchase_and_not_a_sale(bus: Bus, mirroring: list[UserPolicy], mode: str) -> None:
    await bus.do("HSET", keys.CONTROL, "mode", mode)
    buy = Master(bus, an_order())
    sale = Master(
        bus,
        an_order(
            id=mirror_id("kraken", "O2"), master_order_id="O2", side=Side.SELL, fraction=Decimal("0.5"), seen_at=NOW
        ),
    )
    async with running(bus, mirroring):
        await buy.placed()
        await sale.placed()
        await carried(bus, 2)
    bought, sold = [wanted for _, wanted in await decisions(bus, "alice")]
    assert (bought.decision.copy, bought.decision.code) == (None, "kill_switch")
    assert sold.decision.copy is not None
    assert (sold.decision.copy.fraction, sold.decision.copy.limit_price) == (Decimal("0.5"), btc_price("59000"))


async def test_an_event_that_a_dead_engine_had_read_is_decided_once(bus: Bus, mirroring: list[UserPolicy]) -> None:
    group = Group(bus, keys.ENGINE)
    await group.ensure([keys.MASTER_ORDERS])
    master = Master(bus, an_order())
    await master.placed()
    await group.poll_new(keys.MASTER_ORDERS, 10)
    async with running(bus, mirroring[:1]):
        await carried(bus, 1)
    await bus.do("XGROUP", "SETID", keys.MASTER_ORDERS, keys.ENGINE, "0")
    async with running(bus, mirroring, "second"):

        async def done() -> bool:
            return len(await decisions(bus, "bob")) == 1

        await until(done)
    assert len(await decisions(bus, "alice")) == 1


async def test_a_user_s_stream_of_another_type_holds_up_nobody_and_gets_its_decisions_later(
    bus: Bus, mirroring: list[UserPolicy], emit: Emit
) -> None:
    await bus.do("SET", keys.resting("alice"), "not a stream")
    master = Master(bus, an_order())
    async with running(bus, mirroring):
        await master.placed()

        async def bob_has_it() -> bool:
            return len(await decisions(bus, "bob")) == 1

        await until(bob_has_it)
        await emit(an_entry("meanwhile"))

        async def copied() -> bool:
            return bool(await bus.do("XLEN", keys.orders("carol")))

        await until(copied)
        await bus.do("DEL", keys.resting("alice"))
        await carried(bus, 1)
    assert len(await decisions(bus, "alice")) == 1


async def test_an_event_that_cannot_be_read_becomes_a_dead_letter(bus: Bus, mirroring: list[UserPolicy]) -> None:
    await bus.do("XADD", keys.MASTER_ORDERS, "*", "v", "1", "id", "nonsense")
    master = Master(bus, an_order())
    async with running(bus, mirroring):
        await master.placed()
        await carried(bus, 2)
    assert len(await decisions(bus, "alice")) == 1
    assert await bus.do("XLEN", keys.dead(keys.MASTER_ORDERS)) == 1


async def test_a_failure_in_it_never_keeps_signals_from_users(
    bus: Bus, mirroring: list[UserPolicy], emit: Emit
) -> None:
    await bus.do("SET", keys.MASTER_ORDERS, "not a stream")
    async with running(bus, mirroring):
        entry = await emit(an_entry("meanwhile"))

        async def copied() -> bool:
            return bool(await bus.do("XLEN", keys.orders("alice")))

        await until(copied)
    rows = read_entries(keys.orders("alice"), await bus.do("XRANGE", keys.orders("alice"), "-", "+"))
    assert [row.id for row in rows] == [entry.id]


async def test_the_master_is_told_whether_its_orders_are_mirrored(
    bus: Bus, users: Sequence[UserPolicy], mirroring: list[UserPolicy]
) -> None:
    async with running(bus, mirroring):

        async def two() -> bool:
            return await MasterOrderLog(bus, "kraken").mirroring() == 2

        await until(two)
    async with running(bus, mirroring[2:], "second"):
        await bus.do("XADD", keys.resting("carol"), "*", "v", "1")  # she mirrored once

    async with running(bus, [replace(each) for each in mirroring[2:]], "third"):

        async def none() -> bool:
            return await MasterOrderLog(bus, "kraken").mirroring() == 0

        await until(none)
    assert users


async def test_without_a_user_who_mirrors_nothing_is_created(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    async with running(bus, users):
        await emit(an_entry("only"))

        async def copied() -> bool:
            return bool(await bus.do("XLEN", keys.orders("carol")))

        await until(copied)
    assert await bus.do("EXISTS", keys.MASTER_ORDERS, keys.MIRRORING, keys.resting("alice")) == 0


async def test_every_decision_on_a_fill_names_the_master_s_order(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    async with running(bus, users):
        await emit(an_entry("named", master_order_id=MASTERS))

        async def copied() -> bool:
            return bool(await bus.do("XLEN", keys.orders("alice")))

        await until(copied)
    (row,) = read_entries(keys.orders("alice"), await bus.do("XRANGE", keys.orders("alice"), "-", "+"))
    assert row.fields["master_order_id"] == MASTERS


async def test_an_event_that_a_former_engine_read_after_the_take_over_is_carried(
    bus: Bus, mirroring: list[UserPolicy]
) -> None:
    elapsed = [0.0]
    master = Master(bus, an_order())
    async with running(bus, mirroring, elapsed=lambda: elapsed[0]):
        await master.placed()
        await carried(bus, 1)
        ended = replace(master.order, version=2, action=MasterAction.ENDED)
        await read_elsewhere(bus, keys.MASTER_ORDERS, keys.ENGINE, MasterOrderMessage.from_domain(ended).fields())
        elapsed[0] = FIRST_SWEEP
        await carried(bus, 2)
    for user in ("alice", "bob"):
        assert [wanted.action for _, wanted in await decisions(bus, user)] == [MirrorAction.PLACE, MirrorAction.CANCEL]
