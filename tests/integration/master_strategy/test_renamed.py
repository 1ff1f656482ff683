"""The master's coin gets another name: its sales are still the fraction that they are (Case F1)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.master_strategy.account.book_loader import open_book
from services.master_strategy.account.renamed import (
    in_force,
    move_recorded,
    names_in_force,
    signals_renamed,
    until_renamed,
)
from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.master.master_account import MasterRecords
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.state.records import Records
from shared.domain.account import MASTER
from shared.domain.fault import Faults
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.rename import Rename, Renames
from shared.domain.signal import Signal
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.own_position import OwnPosition
from shared.venues.errors import Unavailable
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from tests.integration.execution.stepped_time import SteppedTime
from tests.support.examples import NOW, an_entry, btc, usd
from tests.unit.master_strategy.memory_master import MemoryMaster

DOT, NDOT = Symbol("DOT", "USD"), Symbol("NDOT", "USD")
TENFOLD = Renames.of([Rename("DOT", "NDOT", Decimal(10))])


def bought(size: str = "100") -> Signal:
    amount = Quantity(Decimal(size), "DOT")
    return replace(
        an_entry(),
        symbol=DOT,
        base_size=amount,
        price=Price(Decimal(6), DOT),
        position_before=Quantity(Decimal(0), "DOT"),
        position_after=amount,
    )


@pytest.fixture
async def lease(bus: Bus) -> Lease:
    taken = await acquire(bus, MASTER, "first")
    assert taken is not None
    return taken


def test_a_rename_is_in_force_once_the_old_pairs_are_gone_and_the_new_ones_there() -> None:
    assert in_force(TENFOLD, {DOT}).table == ()
    assert in_force(TENFOLD, {DOT, NDOT}).table == ()
    assert in_force(TENFOLD, set()).table == ()
    assert in_force(TENFOLD, {NDOT}) == TENFOLD
    assert in_force(Renames.of([Rename("DOT", "")]), {NDOT}).table == ()


def test_what_was_told_is_read_in_present_units() -> None:
    (told,) = signals_renamed(TENFOLD, "kraken", [bought()])
    assert (told.symbol, told.base_size, told.position_after) == (
        NDOT,
        Quantity(Decimal(1000), "NDOT"),
        Quantity(Decimal(1000), "NDOT"),
    )
    assert told.quote_size == bought().quote_size
    assert signals_renamed(TENFOLD, "coinbase", [bought()]) == [bought()]


async def test_the_position_is_known_under_the_new_name_after_any_number_of_starts(bus: Bus, lease: Lease) -> None:
    """A sale of a tenth looked like one of everything: every user would have sold all."""
    records, master = Records(bus), MasterRecords(bus, lease, "kraken")
    await SignalLog(bus).emit(bought())
    at = bought().emitted_at
    held = Position.flat(DOT, at).bought(Quantity(Decimal(100), "DOT"), usd(600), at)
    plan = ExitPlan(Decimal(5), (Target(Decimal(7), Decimal(1)),), Decimal(6), Decimal("0.5"), Decimal("6.5"))
    await master.write(positions=[held], strategy=[OwnPosition("sma-cross", held), OwnPosition("trend", held, plan)])
    for _ in range(3):
        await move_recorded(master, "kraken", TENFOLD)
        book = await open_book(master, SignalLog(bus), "kraken", faults=Faults(), now=NOW, names=TENFOLD)
        trend = book.own.position("trend", NDOT)
        assert trend.plan == plan.scaled(Decimal("0.1"))
        for position in (book.position(NDOT), book.own.position("sma-cross", NDOT).position, trend.position):
            assert position.size == Quantity(Decimal(1000), "NDOT")
        assert book.position(DOT).size.amount == 0
        assert [(own.strategy, own.symbol) for own in book.own.held()] == [("sma-cross", NDOT), ("trend", NDOT)]
        assert list(await records.positions(MASTER, "kraken")) == [NDOT]


@pytest.mark.parametrize("listed", [True, False])
async def test_a_coin_that_the_venue_is_renaming_is_not_taken_for_sold(*, listed: bool) -> None:
    """Its balance is gone for a while: everybody would have been told to sell. By the alias, or by the list of pairs."""
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "2")
    await master.scan()
    if listed:
        master.watcher._check._renaming = lambda: {"BTC"}
    else:
        for symbol in [each for each in master.market.instruments if each.base == "BTC"]:
            del master.market.instruments[symbol]
    del master.account.balances["BTC"]
    await master.settle(18)
    assert [signal.fraction for signal in master.signals] == [None]
    assert master.book.size_of("BTC") == btc("2")


async def test_a_session_ends_when_other_names_are_in_force_than_it_began_with() -> None:
    time = SteppedTime()
    market = FakeMarket({DOT: Decimal(6)})
    venue = FakeVenue(market, FakeAccount(), clock=lambda: NOW)
    known = await names_in_force(venue, lambda: TENFOLD)
    assert known.table == ()
    market.instruments[NDOT] = replace(market.instruments.pop(DOT), symbol=NDOT)
    venue.fail("instruments", Unavailable("EService:Busy"))
    with pytest.raises(Unavailable, match="DOT is NDOT now"):
        await until_renamed(venue, lambda: TENFOLD, known, time.clock())
