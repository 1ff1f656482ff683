"""What `status` reads of services, accounts, streams and nonces."""

from __future__ import annotations

from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, Group
from shared.bus.ownership.lease import acquire
from shared.bus.state.records import Records
from shared.bus.users.key_claims import claim_key
from shared.contracts import keys
from shared.contracts.heartbeat import HeartbeatRecord
from shared.domain.account import MASTER, AccountState
from shared.domain.control import ControlMode
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.ledger.backlog import read_backlog, read_nonces
from shared.ledger.reading import known_users
from shared.ledger.status import read_status, read_symbol_switches
from shared.ledger.views import StatusView
from shared.operations.switches import Scope, set_switch
from tests.support.copies import Copies

POLICIES = {name: UserPolicy(user=name, enabled=True, venues=("kraken",)) for name in ("alice", "bob")}


async def test_a_running_system_is_shown_as_it_is(bus: Bus) -> None:
    copies, records = Copies(bus), Records(bus)
    await copies.account(MASTER, AccountState.READY, equity="10000")
    await copies.account("alice", AccountState.READY, equity="5000.50")
    await copies.account("bob", AccountState.PARKED, reason="KRAKEN_USER_BOB_API_KEY is blank")
    await copies.serve("alice", "bob")
    await records.write_heartbeat("master-strategy", "m", HeartbeatRecord(state="trading"))
    await records.write_heartbeat("copy-engine", "host:1", HeartbeatRecord(state="running"))
    await bus.do("HSET", keys.control("bob"), "mode", "pause", "reason", "on holiday")
    view = StatusView.of(await read_status(bus, POLICIES), [])
    assert view.readiness.ready
    assert view.readiness.users_parked == ("bob",)
    assert [(each.service, each.instance, each.state) for each in view.services] == [
        ("copy-engine", "host:1", "running"),
        ("master-strategy", "m", "trading"),
    ]
    alice, bob = view.users
    assert (alice.state, alice.owner, alice.accounts[0].equity, alice.accounts[0].currency) == (
        "ready",
        "executor-of-alice",
        "5000.5",
        "USD",
    )
    assert (bob.state, bob.reason) == ("parked", "kraken: KRAKEN_USER_BOB_API_KEY is blank")
    assert (bob.control.mode, bob.control.reason) == ("pause", "on holiday")


async def test_each_account_shows_whose_money_its_books_are_of(bus: Bus) -> None:
    copies = Copies(bus)
    for user in ("alice", "bob", "carol"):
        await copies.account(user, AccountState.READY)
    await bus.do("HSET", keys.books("alice", "kraken"), "v", "1", "funds", "paper", "since", "0")
    await bus.do("HSET", keys.books("bob", "kraken"), "v", "1", "funds", "live", "since", "0")
    policies = {
        name: UserPolicy(user=name, enabled=True, venues=("kraken",), paper=name == "alice")
        for name in ("alice", "bob", "carol")
    }
    view = StatusView.of(await read_status(bus, policies), [])
    assert [(user.paper, user.accounts[0].funds) for user in view.users] == [
        (True, "paper"),
        (False, "live"),
        (False, ""),
    ]


async def test_the_backlog_counts_what_waits_and_what_is_pending(bus: Bus) -> None:
    copies = Copies(bus)
    for _ in range(3):
        await copies.decide(await copies.signal(), "alice")
    executor = Group(bus, keys.EXECUTOR)
    await executor.ensure([keys.orders("alice")])
    await executor.read_new([keys.orders("alice")], 1, block_ms=1)
    await executor.dead_letter(Entry(keys.orders("alice"), "1-1", {"a": "b"}), "no id")
    signals, alice, bob = await read_backlog(bus, ["alice", "bob"])
    assert (signals.group, signals.length, signals.lag, signals.pending) == ("", 3, 3, 0)
    assert (alice.group, alice.length, alice.lag, alice.pending, alice.dead) == ("executor", 3, 2, 1, 1)
    assert (bob.length, bob.lag, bob.dead) == (0, 0, 0)


async def test_entries_that_were_trimmed_still_count_as_added(bus: Bus) -> None:
    copies = Copies(bus)
    for _ in range(3):
        await copies.signal()
    await bus.do("XTRIM", keys.SIGNALS, "MAXLEN", 1)
    signals = (await read_backlog(bus, []))[0]
    assert (signals.length, signals.added) == (1, 3)


async def test_nonces_are_listed_by_user_and_fingerprint(bus: Bus) -> None:
    await bus.do("SET", keys.nonce("bob", "ffff000011112222"), "1764000000000001")
    await bus.do("SET", keys.nonce("alice", "0000ffff11112222"), "7")
    assert [(each.user, each.fingerprint, each.value) for each in await read_nonces(bus)] == [
        ("alice", "0000ffff11112222", 7),
        ("bob", "ffff000011112222", 1_764_000_000_000_001),
    ]


async def test_everybody_with_a_stream_or_a_following_record_is_known_but_the_master(bus: Bus) -> None:
    copies = Copies(bus)
    told = await copies.signal()
    await copies.decide(told, "alice")
    await copies.report(told, "bob")
    await copies.follow("carol")
    await copies.report(None, MASTER)
    assert await known_users(bus) == ["alice", "bob", "carol"]


async def test_switches_of_symbols_are_found_without_a_scan_however_they_were_set(bus: Bus) -> None:
    await set_switch(bus, Scope(symbol=Symbol("NEW", "USD")), ControlMode.PAUSE, "listed today", "anna", 1)
    await set_switch(bus, Scope(symbol=Symbol("OLD", "USD")), ControlMode.RUN, "", "anna", 1)
    await Records(bus).write_prices("kraken", [Price(Decimal(1), Symbol("HAND", "EUR"))], 1)
    for typed in ("HAND/EUR", "BTC/USD"):
        await bus.do("HSET", keys.control_of_symbol(typed), "mode", "halt")
    await bus.do("CONFIG", "RESETSTAT")
    assert {symbol: each.mode for symbol, each in (await read_symbol_switches(bus)).items()} == {
        "NEW/USD": "pause",
        "HAND/EUR": "halt",
        "BTC/USD": "halt",
    }
    assert "cmdstat_scan" not in str(await bus.do("INFO", "commandstats"))


async def test_nonces_are_those_of_the_keys_that_were_served_and_have_a_counter(bus: Bus) -> None:
    lease = await acquire(bus, "alice", "one")
    assert lease is not None
    await claim_key(bus, "a" * 16, lease)
    await claim_key(bus, "b" * 16, lease)
    await bus.do("SET", keys.nonce("alice", "a" * 16), 7)
    await bus.do("CONFIG", "RESETSTAT")
    assert [(each.user, each.fingerprint, each.value) for each in await read_nonces(bus)] == [("alice", "a" * 16, 7)]
    assert await read_nonces(bus, {"bob"}) == []
    assert "cmdstat_scan" not in str(await bus.do("INFO", "commandstats"))
