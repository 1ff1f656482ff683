"""The name of a master on its signals: from its file, and never another one while users may hold copies under the former."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.fault import FaultKind
from shared.domain.order import Kind, Side
from tests.integration.master_strategy.test_both_accounts import COINBASE, KRAKEN, TwoAccounts, emitted, running, wait


@pytest.fixture
async def master(bus: Bus) -> AsyncIterator[TwoAccounts]:
    made = TwoAccounts(bus)
    made.names[COINBASE] = "swing"
    async for each in running(made):
        yield each


async def another_session(master: TwoAccounts) -> None:
    """End the present session at Coinbase, and wait for the next one."""
    count = len(master.opened[COINBASE])
    master.opened[COINBASE][-1].fail("closed_orders", KeyError("an unexpected answer"))
    await wait(lambda: len(master.opened[COINBASE]) == count + 1)


def why_it_stays(master: TwoAccounts) -> list[str]:
    return [each.reason for each in master.heartbeat.faults.standing if each.kind is FaultKind.USER_FILE]


async def test_signals_carry_the_name_and_those_of_the_other_account_none(master: TwoAccounts, bus: Bus) -> None:
    master.trade(COINBASE, Side.BUY, "0.1")
    await emitted(bus, 1)
    master.trade(KRAKEN, Side.BUY, "0.1")
    signals = await emitted(bus, 2)
    assert [(each.master, each.leader, each.book) for each in signals] == [
        ("swing", "swing", "swing"),
        ("", "kraken", ""),
    ]


async def test_a_name_stays_until_nothing_is_held_under_it_and_no_exit_is_lost(master: TwoAccounts, bus: Bus) -> None:
    master.trade(COINBASE, Side.BUY, "0.1")
    await emitted(bus, 1)
    master.names[COINBASE] = ""
    await another_session(master)
    master.trade(COINBASE, Side.SELL, "0.1")
    signals = await emitted(bus, 2)
    assert [(each.kind, each.master) for each in signals] == [(Kind.ENTRY, "swing"), (Kind.EXIT, "swing")]
    assert "it stays swing and becomes coinbase" in why_it_stays(master)[0]
    await another_session(master)
    await wait(lambda: not why_it_stays(master))
    master.trade(COINBASE, Side.BUY, "0.1")
    assert (await emitted(bus, 3))[-1].master == ""
    assert await bus.do("HGET", keys.master_name(COINBASE), "name") == ""
