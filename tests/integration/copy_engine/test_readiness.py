"""The gate: master first, then users, then the flow; by the state in Redis, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest

from services.copy_engine.readiness import Readiness, read_readiness, wait_until_open
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.bus.state.records import Records
from shared.domain.account import FIRST_CONNECT, AccountState
from tests.support.examples import a_policy, an_account

Emit = Callable[..., Awaitable[Entry]]
ALICE, BOB = a_policy("alice"), a_policy("bob")


@pytest.fixture
def records(bus: Bus) -> Records:
    return Records(bus)


def clock(*instants: float) -> Callable[[], float]:
    """Return these instants one after another, one for the start and one for each check."""
    left: Iterator[float] = iter(instants)
    return lambda: next(left)


@pytest.mark.parametrize(
    ("master", "ready", "parked", "unknown", "waited", "opens"),
    [
        (False, ["alice"], [], [], 0, False),
        (False, ["alice"], [], [], 1_000, False),
        (True, ["alice", "bob"], [], [], 0, True),
        (True, ["alice"], ["bob"], [], 0, True),
        (True, [], ["alice", "bob"], [], 0, True),
        (True, ["alice"], [], ["bob"], 19.9, False),
        (True, ["alice"], [], ["bob"], 20, True),
        (True, [], ["alice"], ["bob"], 1_000, False),
        (True, [], [], ["bob"], 1_000, False),
        (True, [], [], [], 0, True),
    ],
)
def test_the_flow_opens_with_a_master_and_users_of_whom_all_is_known_or_long_enough_waited_for(
    master: bool, ready: Sequence[str], parked: Sequence[str], unknown: Sequence[str], waited: float, opens: bool
) -> None:
    assert Readiness(master, tuple(ready), tuple(parked), tuple(unknown)).may_open(waited, opened_before=False) is opens


def test_an_engine_that_was_open_before_lets_exits_through_at_once() -> None:
    readiness = Readiness(master=True, ready=(), parked=(), unknown=("alice",))
    assert readiness.may_open(0, opened_before=True)
    assert not Readiness(master=False, ready=("alice",), parked=(), unknown=()).may_open(60, opened_before=True)


def test_what_is_missing_is_said_in_words() -> None:
    assert Readiness(False, (), (), ("alice",)).waiting_for() == "the master account"
    assert Readiness(True, (), (), ("alice", "bob")).waiting_for() == "users alice, bob"
    many = tuple(f"u{number}" for number in range(7))
    assert Readiness(True, (), (), many).waiting_for() == "users u0, u1, u2, u3, u4 and more"


async def test_who_is_ready_is_read_from_the_accounts(bus: Bus, records: Records) -> None:
    await records.write_account(an_account("master"))
    await records.write_account(an_account("alice"))
    await records.mark_account("bob", "kraken", AccountState.PARKED, "no key")
    await records.mark_account("carol", "kraken", AccountState.CONNECTING, "")
    users = [a_policy(user) for user in ("alice", "bob", "carol", "dave")]
    assert await read_readiness(bus, records, users) == Readiness(True, ("alice",), ("bob",), ("carol", "dave"))


async def test_one_ready_account_of_several_makes_a_user_ready(bus: Bus, records: Records) -> None:
    both = [a_policy("alice", venues=("kraken", "coinbase")), a_policy("bob", venues=("coinbase", "kraken"))]
    for policy in both:
        await records.write_account(an_account(policy.user))
        await records.mark_account(policy.user, "coinbase", AccountState.PARKED, "no key")
    assert (await read_readiness(bus, records, both)).ready == ("alice", "bob")


@pytest.mark.parametrize("state", [AccountState.CONNECTING, AccountState.PARKED])
async def test_a_master_that_is_not_ready_is_none(bus: Bus, records: Records, state: AccountState) -> None:
    await records.mark_account("master", "kraken", state, "")
    assert not (await read_readiness(bus, records, [ALICE])).master


async def test_a_signal_in_the_stream_is_proof_of_a_master(bus: Bus, records: Records, emit: Emit) -> None:
    assert not (await read_readiness(bus, records, [ALICE])).master
    await emit()
    assert (await read_readiness(bus, records, [ALICE])).master


async def test_engine_waits_for_users(bus: Bus, records: Records) -> None:
    """First the master is missing, then bob; each is said once, and then the flow opens at once."""
    said: list[str] = []
    connecting: list[asyncio.Task[None]] = []
    await records.write_account(an_account("alice"))

    def note(what: str) -> None:
        said.append(what)
        who = "master" if what == "the master account" else "bob"
        connecting.append(asyncio.create_task(records.write_account(an_account(who))))

    readiness = await wait_until_open(bus, records, [ALICE, BOB], lambda: 0.0, note)
    assert said == ["the master account", "users bob"]
    assert readiness == Readiness(True, ("alice", "bob"), (), ())
    await asyncio.gather(*connecting)


async def test_a_user_of_whom_nobody_speaks_is_waited_for_no_longer_than_an_entry_lives(
    bus: Bus, records: Records
) -> None:
    await records.write_account(an_account("master"))
    await records.write_account(an_account("alice"))
    said: list[str] = []
    readiness = await wait_until_open(bus, records, [ALICE, BOB], clock(100.0, 100.1, 119.9, 120.0), said.append)
    assert said == ["users bob"]
    assert readiness.unknown == ("bob",)


async def test_nobody_is_waited_for_where_all_users_are_parked(bus: Bus, records: Records) -> None:
    await records.write_account(an_account("master"))
    for policy in (ALICE, BOB):
        await records.mark_account(policy.user, "kraken", AccountState.PARKED, "no key")
    readiness = await wait_until_open(bus, records, [ALICE, BOB], clock(0.0, 0.0), print)
    assert readiness.parked == ("alice", "bob")


async def test_a_further_account_of_a_master_is_waited_for_too(bus: Bus) -> None:
    records = Records(bus)
    await records.mark_account("master", "kraken", AccountState.READY, "")
    await records.note_further_master("swing", "kraken")
    await records.mark_account("master.swing", "kraken", AccountState.CONNECTING, FIRST_CONNECT)
    assert not (await read_readiness(bus, records, [ALICE])).master
    await records.mark_account("master.swing", "kraken", AccountState.PARKED, "its key is refused")
    assert (await read_readiness(bus, records, [ALICE])).master
