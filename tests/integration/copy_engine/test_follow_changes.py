"""`[follow]` changes while something is held: no exit is lost, none sells another master's copies, nothing is twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from services.copy_engine.decisions.fanout import FanOut
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, Group
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.domain.order import Decision
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from tests.support.engines import running, until
from tests.support.examples import (
    BTC_USD,
    NOW,
    a_policy,
    an_account,
    an_entry,
    an_exit,
    an_instrument,
    btc,
    btc_price,
    usd,
)
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]
BOTH = ("kraken", "coinbase")
HOME = a_policy(venues=BOTH)
ACROSS = a_policy(venues=BOTH, follow=(("kraken", "coinbase"),))
CROSSED = a_policy(venues=BOTH, follow=(("kraken", "coinbase"), ("coinbase", "kraken")))
OTHER_MASTER = a_policy(venues=("kraken",), follow=(("kraken", ""), ("coinbase", "kraken")))


@pytest.fixture
async def alice(bus: Bus) -> None:
    """Alice, ready at both venues, where prices are known; a master at each."""
    for venue in BOTH:
        await Records(bus).write_account(an_account()._replace(venue=venue))
        await Records(bus).write_prices(venue, [btc_price(60000)], NOW)
    await bus.do("HSET", keys.account("master", "kraken"), "v", "1", "state", "ready")
    await bus.do("HSET", keys.following("alice"), "from", "0-0")


async def hold(bus: Bus, venue: str, size: str = "0.1", cost: str = "6000") -> None:
    await Records(bus).write_position("alice", venue, Position(BTC_USD, btc(size), usd(cost), NOW, NOW))


async def sold(bus: Bus, venue: str) -> None:
    await bus.do("DEL", keys.positions("alice", venue))


async def finished(bus: Bus) -> None:
    """Play the executor that has ended every decision so far."""
    group, stream = Group(bus, keys.EXECUTOR), keys.orders("alice")
    await group.ensure([stream])
    for entry in await group.read_new([stream], 100, 1):
        await group.ack(stream, entry.id)


async def decision_on(bus: Bus, emit: Emit, name: str, *, leader: str = "kraken", leaves: bool = False) -> Decision:
    """Emit a signal of a master, and return the decision on it by the engine that runs."""
    signal = replace(an_exit(name, "0.5") if leaves else an_entry(name), venue=leader)
    entry = await emit(signal)

    async def there() -> bool:
        return any(entry_id == entry.id for entry_id, _ in await decided(bus, "alice"))

    await until(there)
    (found,) = [each for entry_id, each in await decided(bus, "alice") if entry_id == entry.id]
    assert found.signal_id == signal.id
    return found


async def in_effect(bus: Bus) -> dict[str, str]:
    fields = pairs(await bus.do("HGETALL", keys.following("alice")))
    return {name: value for name, value in fields.items() if name.startswith(("account:", "follow:"))}


async def _routed(bus: Bus, **fields: str) -> None:
    wanted = {name.replace("_", ":"): value for name, value in fields.items()}

    async def there() -> bool:
        return await in_effect(bus) == wanted

    await until(there)


@pytest.mark.usefixtures("alice")
async def test_a_user_of_both_venues_copies_each_master_at_its_own_and_nothing_is_recorded(
    bus: Bus, emit: Emit
) -> None:
    async with running(bus, [HOME]):
        assert (await decision_on(bus, emit, "1")).venue == "kraken"
        assert (await decision_on(bus, emit, "2", leader="coinbase")).venue == "coinbase"
        assert (await decision_on(bus, emit, "3", leader="coinbase", leaves=True)).venue == "coinbase"
    assert await in_effect(bus) == {}


@pytest.mark.usefixtures("alice")
async def test_a_master_that_is_moved_is_bought_at_the_new_venue_and_sold_where_it_is_held(
    bus: Bus, emit: Emit
) -> None:
    await hold(bus, "kraken")
    async with running(bus, [ACROSS]):
        await _routed(bus, account_coinbase="kraken", follow_kraken="coinbase", follow_coinbase="")
        entry = await decision_on(bus, emit, "1")
        assert (entry.venue, entry.copy, entry.code) == ("coinbase", None, ReasonCode.ALREADY_HELD)
        leaves = await decision_on(bus, emit, "2", leaves=True)
        assert (leaves.venue, leaves.copy is not None) == ("kraken", True)
        await hold(bus, "kraken", "0.00001", "0.6")  # dust, which nobody can sell
        entry = await decision_on(bus, emit, "3")
        assert (entry.venue, entry.copy is not None) == ("coinbase", True)
        await hold(bus, "coinbase")
        assert (await decision_on(bus, emit, "4", leaves=True)).venue == "coinbase"


@pytest.mark.usefixtures("alice")
async def test_an_account_goes_over_to_another_master_only_once_it_is_flat(bus: Bus, emit: Emit) -> None:
    await hold(bus, "kraken")
    async with running(bus, [OTHER_MASTER]):
        waits = await decision_on(bus, emit, "1", leader="coinbase")
        assert (waits.venue, waits.copy, waits.code) == ("kraken", None, ReasonCode.FOLLOW_CHANGED)
        assert waits.reason == (
            "[follow] was changed: kraken goes over to the coinbase master "
            "once nothing copied from the kraken master is held there"
        )
        strange = await decision_on(bus, emit, "2", leader="coinbase", leaves=True)
        assert (strange.copy, strange.code) == (
            None,
            ReasonCode.FOLLOW_CHANGED,
        )  # it would sell the other master's copy
        own = await decision_on(bus, emit, "3", leaves=True)
        assert (own.venue, own.copy is not None) == ("kraken", True)
        assert (await decision_on(bus, emit, "4")).code == ReasonCode.VENUE_NOT_FOLLOWED
        await sold(bus, "kraken")
        await finished(bus)
        await _routed(bus, account_kraken="coinbase", follow_coinbase="kraken", follow_kraken="")
        entry = await decision_on(bus, emit, "5", leader="coinbase")
        assert (entry.venue, entry.copy is not None) == ("kraken", True)
        await hold(bus, "kraken")
        exit_of_the_former = await decision_on(bus, emit, "6", leaves=True)
        assert (exit_of_the_former.copy, exit_of_the_former.code) == (None, ReasonCode.VENUE_NOT_FOLLOWED)
        exit_of_the_new = await decision_on(bus, emit, "7", leader="coinbase", leaves=True)
        assert (exit_of_the_new.venue, exit_of_the_new.copy is not None) == ("kraken", True)


@pytest.mark.usefixtures("alice")
async def test_crossing_two_masters_waits_for_each_account(bus: Bus, emit: Emit) -> None:
    await hold(bus, "kraken")
    async with running(bus, [CROSSED]):
        await _routed(bus, account_coinbase="kraken", follow_kraken="coinbase", follow_coinbase="")
        assert (await decision_on(bus, emit, "1", leaves=True)).venue == "kraken"
        assert (await decision_on(bus, emit, "2", leader="coinbase")).code == ReasonCode.FOLLOW_CHANGED
        await sold(bus, "kraken")
        await finished(bus)
        await _routed(
            bus,
            account_coinbase="kraken",
            account_kraken="coinbase",
            follow_kraken="coinbase",
            follow_coinbase="kraken",
        )
        assert (await decision_on(bus, emit, "3", leader="coinbase")).venue == "kraken"
        assert (await decision_on(bus, emit, "4")).venue == "coinbase"


@pytest.mark.usefixtures("alice")
async def test_a_change_waits_for_decisions_that_have_not_ended(bus: Bus, emit: Emit) -> None:
    """An entry under way could buy at the former venue while the next one buys at the new one: one exit must reach both."""
    async with running(bus, [HOME]):
        assert (await decision_on(bus, emit, "1")).venue == "kraken"
    async with running(bus, [ACROSS], "second"):
        waits = await decision_on(bus, emit, "2")
        assert (waits.venue, waits.copy, waits.code) == ("coinbase", None, ReasonCode.FOLLOW_CHANGED)
        assert (await decision_on(bus, emit, "3", leaves=True)).venue == "kraken"
        await finished(bus)
        await _routed(bus, account_coinbase="kraken", follow_kraken="coinbase", follow_coinbase="")
        assert (await decision_on(bus, emit, "4")).venue == "coinbase"


@pytest.mark.usefixtures("alice")
async def test_a_record_that_cannot_be_read_keeps_an_account_with_its_master(bus: Bus, emit: Emit) -> None:
    await bus.do("HSET", keys.positions("alice", "kraken"), "BTC/USD", "spoilt")
    async with running(bus, [OTHER_MASTER]):
        assert (await decision_on(bus, emit, "1", leader="coinbase")).code == ReasonCode.FOLLOW_CHANGED
        own = await decision_on(bus, emit, "2", leaves=True)
        assert (own.venue, own.copy is not None) == ("kraken", True)


async def test_what_a_next_engine_reads_is_what_the_last_one_did(bus: Bus, emit: Emit, alice: None) -> None:
    del alice
    await hold(bus, "kraken")
    async with running(bus, [OTHER_MASTER]):
        await decision_on(bus, emit, "1", leader="coinbase")
    async with running(bus, [OTHER_MASTER], "second"):
        assert (await decision_on(bus, emit, "2", leader="coinbase")).code == ReasonCode.FOLLOW_CHANGED
        assert (await decision_on(bus, emit, "3", leaves=True)).venue == "kraken"


async def test_a_new_user_has_what_the_file_says_at_once(bus: Bus, emit: Emit, alice: None) -> None:
    """Also one whose records were lost and whose positions were rebuilt: they were bought as the file says."""
    del alice
    await bus.do("DEL", keys.following("alice"))
    await hold(bus, "coinbase")
    async with running(bus, [ACROSS]):
        assert (await decision_on(bus, emit, "1", leaves=True)).venue == "coinbase"
        other = await decision_on(bus, emit, "2", leader="coinbase", leaves=True)
        assert (other.copy, other.code) == (None, ReasonCode.VENUE_NOT_FOLLOWED)


async def test_a_signal_that_is_carried_again_after_a_change_is_decided_once(bus: Bus, emit: Emit, alice: None) -> None:
    """The order's id contains the venue: a second decision on another venue would be a second order."""
    del alice
    entry = await emit()
    markets = KnownMarkets({BTC_USD: an_instrument()}, {BTC_USD: btc_price(60000)})
    for policy in (HOME, ACROSS):
        await FanOut(bus, lambda: NOW + 40).distribute(entry, an_entry(), [policy], markets)
    assert [each.venue for _, each in await decided(bus, "alice")] == ["kraken"]
