"""Signals of named masters: whose book, on which venue, with which share; and a change of the venue that loses no exit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest

from services.copy_engine.decisions.fanout import FanOut
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, Group
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.domain.limits.policy import FollowedMaster, SymbolPolicy, UserPolicy
from shared.domain.order import Decision
from shared.domain.position import MAIN, Position
from shared.domain.reason import ReasonCode
from shared.domain.routes import Routes, routed
from shared.domain.signal import Signal
from shared.domain.values.symbol import Symbol
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
SWING: Final = "swing"
BOTH: Final = ("kraken", "coinbase")
BTC_USDC: Final = Symbol("BTC", "USDC")


def following(venue: str = "kraken", share: str = "30", **settings: object) -> UserPolicy:
    """Alice, who follows swing beside the master of Kraken."""
    table = FollowedMaster(SWING, venue, Decimal(share))
    return a_policy("alice", **{"masters": (table,), **settings})


def of_swing(signal: Signal) -> Signal:
    return replace(signal, master=SWING)


async def decide(bus: Bus, emit: Emit, policy: UserPolicy, signal: Signal) -> Decision:
    markets = KnownMarkets({BTC_USD: an_instrument()}, {BTC_USD: btc_price(60000)})
    await FanOut(bus, lambda: NOW + 40).distribute(await emit(signal), signal, [policy], markets)
    return (await decided(bus, "alice"))[-1][1]


async def hold(bus: Bus, sizes: dict[str, str], venue: str = "kraken", symbol: Symbol = BTC_USD) -> None:
    """Have alice hold so much for each master."""
    position = Position.flat(symbol, NOW)
    for master, size in sizes.items():
        cost = usd(Decimal(size) * 60_000) if symbol == BTC_USD else replace(usd(6_000), currency=symbol.quote)
        position = position.with_book(master, Position(symbol, btc(size), cost, NOW, NOW))
    await Records(bus).write_position("alice", venue, position)


@pytest.fixture
async def alice(bus: Bus) -> None:
    for venue in BOTH:
        await Records(bus).write_account(an_account("alice")._replace(venue=venue))
        await Records(bus).write_prices(venue, [btc_price(60000)], NOW)
    await bus.do("HSET", keys.account("master", "kraken"), "v", "1", "state", "ready")
    await bus.do("HSET", keys.following("alice"), "from", "0-0")


@pytest.mark.usefixtures("alice")
async def test_the_decision_names_the_master_and_is_sized_by_its_share(bus: Bus, emit: Emit) -> None:
    main = await decide(bus, emit, following(), an_entry("1"))
    swing = await decide(bus, emit, following(), of_swing(an_entry("2")))
    assert (main.master, swing.master) == (MAIN, SWING)
    assert main.copy is not None
    assert swing.copy is not None
    assert main.copy.base_size is not None
    assert swing.copy.base_size == main.copy.base_size.scaled(Decimal("0.3"))
    assert swing.multiplier == Decimal("0.3")
    assert "(30 %)" in swing.reason
    entries = await bus.do("XRANGE", keys.orders("alice"), "-", "+")
    assert ["master" in pairs(fields) for _, fields in entries] == [False, True]


@pytest.mark.usefixtures("alice")
async def test_what_a_master_holds_counts_against_its_share_and_what_another_holds_does_not(
    bus: Bus, emit: Emit
) -> None:
    await hold(bus, {MAIN: "0.5"})
    assert (await decide(bus, emit, following(), of_swing(an_entry("1")))).copy is not None
    await hold(bus, {SWING: "0.025"})
    full = await decide(bus, emit, following(), of_swing(an_entry("2")))
    assert (full.copy, full.code) == (None, ReasonCode.MASTER_SHARE)
    assert (await decide(bus, emit, following(), an_entry("3"))).copy is not None


@pytest.mark.usefixtures("alice")
async def test_a_named_master_that_is_not_followed_is_a_skip_for_entries_and_exits(bus: Bus, emit: Emit) -> None:
    await hold(bus, {MAIN: "0.1"})
    for signal in (an_entry("1"), an_exit("2")):
        decision = await decide(bus, emit, a_policy("alice"), of_swing(signal))
        assert (decision.copy, decision.code) == (None, ReasonCode.VENUE_NOT_FOLLOWED)


@pytest.mark.usefixtures("alice")
async def test_an_exit_goes_to_the_account_whose_book_holds_the_coin(bus: Bus, emit: Emit) -> None:
    policy = routed(following(venues=BOTH), Routes(entries={SWING: "kraken"}))
    await hold(bus, {MAIN: "0.1", SWING: "0.01"}, "coinbase")
    await hold(bus, {MAIN: "0.5"}, "kraken")
    swing = await decide(bus, emit, policy, of_swing(an_exit("1")))
    assert (swing.venue, swing.master, swing.copy is not None) == ("coinbase", SWING, True)
    assert (await decide(bus, emit, policy, an_exit("2"))).venue == "kraken"


@pytest.mark.usefixtures("alice")
async def test_an_exit_still_reaches_the_book_of_a_master_whose_table_is_gone(bus: Bus, emit: Emit) -> None:
    policy = routed(a_policy("alice"), Routes(entries={SWING: "kraken"}))
    await hold(bus, {MAIN: "0.1", SWING: "0.01"})
    assert (await decide(bus, emit, policy, of_swing(an_entry("1")))).copy is None
    gone = await decide(bus, emit, policy, of_swing(an_exit("2")))
    assert (gone.venue, gone.master, gone.copy is not None) == ("kraken", SWING, True)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(("master", "name"), [(SWING, BTC_USDC), (MAIN, BTC_USD)])
async def test_an_exit_has_the_name_under_which_its_book_holds_the_coin(
    bus: Bus, emit: Emit, master: str, name: Symbol
) -> None:
    await hold(bus, {MAIN: "0.1"})
    await hold(bus, {SWING: "0.1"}, symbol=BTC_USDC)
    policy = following(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    decision = await decide(bus, emit, policy, replace(an_exit("1"), master=master))
    assert (decision.symbol, decision.master) == (name, master)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("tables", [following("kraken", venues=BOTH), a_policy("alice", venues=BOTH)])
async def test_an_exit_goes_where_an_entry_may_be_under_way(bus: Bus, emit: Emit, tables: UserPolicy) -> None:
    """Nothing is booked yet, and the file names another venue or none: the exit has to sell what that entry buys."""
    policy = routed(tables, Routes(entries={SWING: "coinbase"}))
    leaves = await decide(bus, emit, policy, of_swing(an_exit("1")))
    assert (leaves.venue, leaves.master, leaves.copy is not None) == ("coinbase", SWING, True)


async def finished(bus: Bus) -> None:
    """Play the executor that has ended every decision so far."""
    group, stream = Group(bus, keys.EXECUTOR), keys.orders("alice")
    await group.ensure([stream])
    for entry in await group.read_new([stream], 100, 1):
        await group.ack(stream, entry.id)


@pytest.mark.usefixtures("alice")
async def test_another_venue_takes_effect_when_every_decision_has_ended(bus: Bus, emit: Emit) -> None:
    """An entry under way would buy where no later exit looks."""

    async def one(name: str, signal: Signal) -> Decision:
        entry = await emit(of_swing(signal))

        async def there() -> bool:
            return any(entry_id == entry.id for entry_id, _ in await decided(bus, "alice"))

        await until(there)
        return next(each for entry_id, each in await decided(bus, "alice") if entry_id == entry.id)

    async with running(bus, [following(venues=BOTH)]):
        assert (await one("1", an_entry("1"))).venue == "kraken"
    async with running(bus, [following("coinbase", venues=BOTH)]):
        waits = await one("2", an_entry("2"))
        assert (waits.copy, waits.code) == (None, ReasonCode.FOLLOW_CHANGED)
        await hold(bus, {SWING: "0.01"})
        assert (await one("3", an_exit("3"))).venue == "kraken"
        await finished(bus)

        async def recorded() -> bool:
            return pairs(await bus.do("HGETALL", keys.following("alice"))).get("follow:swing") == "coinbase"

        await until(recorded)
        held = await one("4", an_entry("4"))
        assert (held.venue, held.code) == ("coinbase", ReasonCode.ALREADY_HELD)
        assert (await one("5", an_exit("5"))).venue == "kraken"
        await bus.do("DEL", keys.positions("alice", "kraken"))
        assert (await one("6", an_entry("6"))).copy is not None
