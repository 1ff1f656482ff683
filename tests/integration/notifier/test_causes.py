"""Every kind of cause, written as services write it, is a message at a webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from services.notifier.causes.processes import ProcessReader
from services.notifier.causes.switches import SymbolSwitches
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, Group, flatten, write_dead_letter
from shared.bus.ownership.lease import acquire
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import HeartbeatRecord, Phase, write_faults
from shared.domain.account import MASTER, AccountState
from shared.domain.control import ControlMode
from shared.domain.fault import Fault, FaultKind
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.domain.values.symbol import Symbol
from shared.operations.switches import Scope, set_switch
from tests.integration.notifier.conftest import Notify, now_ms, user
from tests.support.copies import Copies
from tests.support.risk_states import write_risk
from tests.support.webhook import Webhook, until

ORDER = "0b5d2c1e-1111-5222-8333-123456789abc"


async def heartbeat(bus: Bus, service: str, *faults: Fault, instance: str = "one") -> None:
    """Write a heartbeat of a process, with a lease where such processes hold one."""
    record = HeartbeatRecord(state="running", phase=Phase.OPEN, faults=write_faults(faults))
    await Records(bus).write_heartbeat(service, instance, record)
    if service in {"master-strategy", "copy-engine"}:
        await acquire(bus, MASTER if service == "master-strategy" else keys.ENGINE, instance)


async def test_a_parked_account_is_a_message_within_seconds_and_so_is_its_end(
    bus: Bus, hook: Webhook, notify: Notify
) -> None:
    copies = Copies(bus)
    async with notify(hook.url):
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        await copies.account("alice", AccountState.PARKED, reason=f"order {ORDER}: the key is refused")
        await until(lambda: hook.taken, "a message")
        assert hook.taken[0].at - began < 10  # 5 s are promised, on a machine that is not busy
        assert hook.titles == ["PAPER Shoal: account parked (alice at kraken)"]
        assert "order 0b5d2c1e: the key is refused; nothing is traded there" in hook.taken[0].body
        assert "ops doctor --user alice" in hook.taken[0].body
        await copies.account("alice", AccountState.READY)
        await until(lambda: len(hook.taken) > 1, "its end")
        assert hook.titles[1] == "PAPER Shoal: resolved: account parked (alice at kraken)"


async def test_a_thousand_parked_accounts_are_one_message_and_one_summary(
    bus: Bus, hook: Webhook, notify: Notify
) -> None:
    users = {name: user(name) for name in (f"user-{number:04d}" for number in range(1_000))}
    copies = Copies(bus)
    async with notify(hook.url, users=users):
        await copies.account("user-0000", AccountState.PARKED, reason="first")
        await until(lambda: hook.taken, "the first message")
        for name in users:
            await copies.account(name, AccountState.PARKED, reason="the same cause")
        await until(lambda: len(hook.taken) > 1, "the summary")
        await asyncio.sleep(8)  # longer than causes are collected: nothing may follow
    assert hook.titles == [
        "PAPER Shoal: account parked (user-0000 at kraken)",
        "PAPER Shoal: 999 more accounts parked",
    ]


@pytest.mark.parametrize(
    ("key", "who", "cleared"),
    [
        (keys.CONTROL, "everybody", "ops resume"),
        (keys.control("bob"), "bob", "ops resume --user bob"),
        (keys.control_of_symbol("BTC/USD"), "BTC/USD", "ops resume --symbol BTC/USD"),
    ],
)
async def test_a_kill_switch_is_said_when_it_is_set_and_when_it_is_cleared(
    bus: Bus, hook: Webhook, notify: Notify, key: str, who: str, cleared: str
) -> None:
    async with notify(hook.url):
        await asyncio.sleep(1.5)  # the switch of a symbol is one that was not known at the start
        said = {"mode": ControlMode.HALT, "reason": "a test", "by": "anna", "at": str(now_ms())}
        await bus.do("HSET", key, *flatten(said))
        await bus.do("XADD", keys.CONTROL_LOG, "*", "v", "1", "of", who, *flatten(said))
        await until(lambda: hook.taken, "set")
        assert hook.titles == [f"PAPER Shoal: kill switch set ({who})"]
        assert "halt (a test), by anna: nothing is sent at all" in hook.taken[0].body
        assert cleared in hook.taken[0].body
        await bus.do("HSET", key, "mode", "run")
        await until(lambda: len(hook.taken) > 1, "cleared")
        assert hook.titles[1] == f"PAPER Shoal: halt cleared ({who})"


async def test_a_stop_out(bus: Bus, hook: Webhook, notify: Notify) -> None:
    state = replace(
        RiskState.fresh("USD", now_ms()),
        stopped_until=now_ms() + 3_600_000,
        stopped_by=(StopOut.DAILY_LOSS,),
        stopped_reason="5.2 % lost today",
    )
    async with notify(hook.url):
        await write_risk(bus, "bob", "kraken", state)
        await until(lambda: hook.taken, "a message")
    assert hook.titles == ["PAPER Shoal: stop-out (bob at kraken)"]
    assert "5.2 % lost today; no entries until" in hook.taken[0].body


async def test_an_order_without_a_proven_end(bus: Bus, hook: Webhook, notify: Notify) -> None:
    copies = Copies(bus)
    await Group(bus, keys.EXECUTOR).ensure([keys.orders("alice")])
    order = await copies.decide(await copies.signal(), "alice")
    record = {"state": "unknown", "sent_at": str(now_ms()), "side": "buy", "base_size": "0.5", "symbol": "BTC/USD"}
    await bus.do("HSET", keys.order("alice", order), *flatten(record | {"reason": "timed out"}))
    await Group(bus, keys.EXECUTOR).poll_new(keys.orders("alice"), 1)
    about_it = Fault(FaultKind.ORDER, f"alice: order {order}", "cannot be proved", since=now_ms())
    await heartbeat(bus, "executor", about_it)
    async with notify(hook.url):
        await until(lambda: hook.taken, "a message")
        await asyncio.sleep(6)
    assert hook.titles == ["PAPER Shoal: an order without a known outcome (alice)"], "once, though it is a fault too"
    assert f"order {order[:8]} (buy 0.5 BTC/USD) is unknown" in hook.taken[0].body
    assert order not in hook.taken[0].body
    assert "ops unknown --user alice" in hook.taken[0].body


@pytest.mark.parametrize(
    ("service", "fault", "title"),
    [
        (
            "master-strategy",
            Fault(FaultKind.MASTER_SCAN, "kraken", "no answer for 60 s", 1, blocks=True),
            "master's fills",
        ),
        ("executor", Fault(FaultKind.CLOCK, "kraken", "6.2 s ahead", 1, blocks=True), "a clock is wrong (kraken)"),
        ("executor", Fault(FaultKind.VENUE_STREAM, "alice", "down", 1), "a private stream is down"),
        ("executor", Fault(FaultKind.KEY, "alice: API key", "used twice", 1), "an API key is refused"),
        ("executor", Fault(FaultKind.REDIS, "alice: books", "no record of 0.5 BTC", 1), "records lost (alice)"),
        ("copy-engine", Fault(FaultKind.EQUITY, "master", "unknown", 1, blocks=True), "no signal is copied"),
        ("executor", Fault(FaultKind.ORDER, "alice: exit", "not ended for 90 s", 1), "without a known outcome"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
async def test_a_fault_that_a_service_reports(
    bus: Bus, hook: Webhook, notify: Notify, service: str, fault: Fault, title: str
) -> None:
    await heartbeat(bus, service, fault)
    await heartbeat(bus, service, fault, instance="two")
    async with notify(hook.url):
        await until(lambda: hook.taken, "a message")
        await asyncio.sleep(2)
    assert len(hook.taken) == 1, "two processes report one thing"
    assert title in hook.titles[0]
    assert fault.reason in hook.taken[0].body


async def test_another_fault_is_silent(bus: Bus, hook: Webhook, notify: Notify) -> None:
    await heartbeat(bus, "executor", Fault(FaultKind.RECORD, "alice", "damaged", 1))
    async with notify(hook.url):
        await Copies(bus).account("bob", AccountState.PARKED, reason="x")
        await until(lambda: hook.taken, "a message about something else")
    assert hook.titles == ["PAPER Shoal: account parked (bob at kraken)"]
    kept: Mapping[str, str] = dict(zip(*[iter(await bus.do("HGETALL", keys.NOTICES))] * 2, strict=True))
    assert kept["count:fault"] == "1", "the summary counts it"


async def test_a_dead_letter(bus: Bus, hook: Webhook, notify: Notify) -> None:
    async with notify(hook.url):
        await asyncio.sleep(1.5)
        entry = Entry(keys.orders("alice"), "5-0", {"v": "9"})
        await write_dead_letter(bus, entry, keys.EXECUTOR, "OrderMessage.v: must be 1")
        await until(lambda: hook.taken, "a message")
        assert hook.titles == ["PAPER Shoal: a dead letter (alice)"]
        assert "ops dead show 'shoal:orders:{alice}' 5-0" in hook.taken[0].body
        await bus.do("DEL", keys.dead(keys.orders("alice")))
        await until(lambda: len(hook.taken) > 1, "its end")


async def test_a_step_on_the_canary_ladder(bus: Bus, hook: Webhook, notify: Notify) -> None:
    said = {"v": "1", "user": "alice", "before": "shadow", "after": "0.05", "by": "auto", "reason": "20 clean trades"}
    async with notify(hook.url):
        await bus.do("XADD", keys.stage_moves("alice"), "*", *flatten(said))
        await until(lambda: hook.taken, "a message")
    assert hook.titles == ["PAPER Shoal: a change of stage (alice)"]
    assert "alice: from stage shadow to 0.05, by auto: 20 clean trades" in hook.taken[0].body


async def test_a_service_without_a_heartbeat_is_missed_and_seen_again(bus: Bus, hook: Webhook, notify: Notify) -> None:
    for service in ("master-strategy", "copy-engine", "executor", "api"):
        await heartbeat(bus, service)
    await Copies(bus).serve("alice", "bob")
    async with notify(hook.url, start_ms=0):
        await asyncio.sleep(1.5)
        assert hook.received == []
        await bus.do_all([("DEL", keys.heartbeat(service, "one")) for service in ("copy-engine", "api")])
        await until(lambda: len(hook.taken) > 1, "two messages")
        assert sorted(hook.titles) == [
            "PAPER Shoal: not running (the api)",
            "PAPER Shoal: not running (the copy engine)",
        ]
        await heartbeat(bus, "copy-engine", instance="another")
        await heartbeat(bus, "api", instance="another")
        await until(lambda: len(hook.taken) > 3, "both are seen again, the api by a scan")


async def test_nothing_scans_the_keyspace(bus: Bus) -> None:
    """The readers that found processes and switched symbols by a scan, the first about once a minute."""
    await heartbeat(bus, "copy-engine")
    await set_switch(bus, Scope(symbol=Symbol("NEW", "USD")), ControlMode.PAUSE, "listed today", "anna", 1)
    await bus.do("CONFIG", "RESETSTAT")
    processes, symbols = ProcessReader(bus), SymbolSwitches(bus)
    assert [each.service for each in await processes.read([], now_ms())] == ["copy-engine"]
    await heartbeat(bus, "api", instance="started-later")
    later = await processes.read([], now_ms() + 60_000)
    assert sorted(each.service for each in later) == ["api", "copy-engine"]
    assert list(await symbols.read()) == ["NEW/USD"]
    assert "cmdstat_scan" not in str(await bus.do("INFO", "commandstats"))
