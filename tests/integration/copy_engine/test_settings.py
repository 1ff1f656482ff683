"""Settings that change while the engine runs: from one signal to the next, with what is due to whom written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, Group
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.domain.limits.policy import OnLeave, SizingPolicy, UserPolicy
from shared.domain.reason import ReasonCode
from tests.support.engines import carried, running, until
from tests.support.examples import a_policy, an_account, an_entry, an_exit, btc
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]


async def following(bus: Bus, user: str) -> dict[str, str]:
    """Read from when to when a user is followed."""
    return pairs(await bus.do("HGETALL", keys.following(user)))


async def noted(bus: Bus, user: str, name: str, value: str) -> None:
    """Wait until the engine has noted it."""

    async def done() -> bool:
        return (await following(bus, user)).get(name) == value

    await until(done)


async def test_a_changed_setting_counts_from_the_next_signal_on(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    async with running(bus, users) as engine:
        await emit(an_entry("1"))
        await carried(bus, 1)
        engine.follow([replace(users[0], sizing=SizingPolicy(multiplier=Decimal("0.5"))), *users[1:], a_policy("dave")])
        await until(lambda: _exists(bus, keys.following("dave")))  # both are in force together
        await emit(an_entry("2"))
        await carried(bus, 2)
    sizes = [decision.copy.base_size for _, decision in await decided(bus, "alice") if decision.copy]
    assert sizes == [btc("0.05"), btc("0.025")]


async def test_a_setting_that_changes_while_the_engine_waits_counts_for_the_signal_it_waits_for(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Somebody who lowers a limit, or mends a file, may rely on it for the next signal."""
    async with running(bus, users) as engine:
        await emit(an_entry("1"))
        await carried(bus, 1)
        await until(lambda: _waits_for_signals(bus))
        engine.follow([replace(users[0], sizing=SizingPolicy(multiplier=Decimal("0.5"))), *users[1:], a_policy("dave")])
        second = await emit(an_entry("2"))
        await carried(bus, 2)
    sizes = [decision.copy.base_size for _, decision in await decided(bus, "alice") if decision.copy]
    assert sizes == [btc("0.05"), btc("0.025")]
    assert [entry_id for entry_id, _ in await decided(bus, "dave")] == [second.id]


async def _waits_for_signals(bus: Bus) -> bool:
    return "cmd=xreadgroup" in str(await bus.do("CLIENT", "LIST"))


async def _exists(bus: Bus, key: str) -> bool:
    return bool(await bus.do("EXISTS", key))


async def test_users_are_added_and_removed_between_two_signals(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await Records(bus).write_account(an_account("dave"))
    async with running(bus, users) as engine:
        first = await emit(an_entry("1"))
        await carried(bus, 1)
        engine.follow([*users[1:], a_policy("dave")])
        await noted(bus, "dave", "from", first.id)
        second = await emit(an_entry("2"))
        await carried(bus, 2)
        engine.follow(users)  # alice comes back, dave goes
        await noted(bus, "dave", "until", second.id)
        third = await emit(an_entry("3"))
        await carried(bus, 3)
    got = {user: [entry_id for entry_id, _ in await decided(bus, user)] for user in ("alice", "bob", "dave")}
    assert got == {
        "alice": [first.id, third.id],
        "bob": [first.id, second.id, third.id],
        "dave": [second.id],
    }
    assert await following(bus, "alice") == {"from": second.id, "until": ""}
    assert await following(bus, "dave") == {"from": first.id, "until": second.id}


async def test_a_disabled_user_gets_what_he_asked_for_on_leaving(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Alice keeps what she has, bob follows the exits, carol has hers closed by her executor."""
    leaving = [
        replace(policy, enabled=False, on_leave=on_leave)
        for policy, on_leave in zip(users, (OnLeave.KEEP, OnLeave.EXITS_ONLY, OnLeave.CLOSE_NOW), strict=True)
    ]
    async with running(bus, users) as engine:
        first = await emit(an_entry("1"))
        await carried(bus, 1)
        engine.follow([*leaving, a_policy("dave")])
        await noted(bus, "carol", "until", first.id)
        await emit(an_entry("2"))
        await emit(an_exit("3"))
        await carried(bus, 3)
    assert len(await decided(bus, "alice")) == len(await decided(bus, "carol")) == 1
    _, entry, close = [decision for _, decision in await decided(bus, "bob")]
    assert (entry.copy, entry.code) == (None, ReasonCode.DISABLED)
    assert close.copy is not None
    assert (await following(bus, "bob")).get("until", "") == ""


async def test_what_a_dead_engine_left_half_done_is_due_to_who_is_followed_now(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """The first engine carried one signal and died with the second; while it was down alice left and dave came."""
    async with running(bus, users):
        first = await emit(an_entry("1"))
        await carried(bus, 1)
    second = await emit(an_entry("2"))
    await Group(bus, keys.ENGINE).read_new([keys.SIGNALS], 10, 1)
    async with running(bus, [*users[1:], a_policy("dave")], "second"):
        await carried(bus, 2)
    ms, sequence = second.id.split("-")
    before = f"{ms}-{int(sequence) - 1}" if int(sequence) else f"{int(ms) - 1}-{2**64 - 1}"
    assert (await following(bus, "alice"))["until"] == before
    assert (await following(bus, "dave"))["from"] == before
    assert [entry_id for entry_id, _ in await decided(bus, "dave")] == [second.id]
    assert [entry_id for entry_id, _ in await decided(bus, "alice")] == [first.id]
