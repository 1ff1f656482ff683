"""A turn whose account is followed by its private stream: its trades are not asked for, and everything goes on without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from services.executor.account.balances import keeper
from services.executor.protection.reconciler import Findings, Reconciler
from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.domain.fault import FaultKind
from shared.domain.order import OrderState
from shared.venues.errors import Refusal, Rejected
from shared.venues.fake_stream import FakeStream
from shared.venues.stream import StreamRefused
from tests.integration.executor.rig import USER, Owner, Rig, until
from tests.integration.executor.turns import reported, turn

_PRIVATE = ("balances", "order", "find", "open_orders", "closed_orders", "taker_fee", "check_key", "place", "replay")


class Scene:
    """Alice's turn on a fake venue with a stream."""

    def __init__(self, bus: Bus, rig: Rig, owner: Owner, stream: FakeStream) -> None:
        self.bus = bus
        self.rig = rig
        self.owner = owner
        self.stream = stream

    def calls(self) -> dict[str, int]:
        """Count the private calls by method."""
        return {name: self.owner.venue.calls[name] for name in _PRIVATE if self.owner.venue.calls[name]}

    async def settled(self) -> dict[str, int]:
        """Wait until the reading that follows a connect is over; return the calls until then."""
        await self.stream.until_connected()
        read = self.owner.context.account

        async def there() -> bool:
            streamed = self.owner.context.sender.stream
            return streamed is not None and streamed.covers(read._balances.read_at) and read._may_carry_on()

        await until(there, "the balances are read after the connect")
        return self.calls()

    async def copy(self, size: str = "0.05") -> OrderState:
        """Copy an entry to its end."""
        before = len(await self.rig.reports())
        await self.rig.append(self.rig.entry(size))
        return (await reported(self.rig, before + 1))[-1]

    async def account(self) -> dict[str, str]:
        return pairs(await self.bus.do("HGETALL", keys.account(USER, "kraken")))

    async def until_served(self, how: str) -> None:
        async def there() -> bool:
            return (await self.account()).get("served", "").startswith(how)

        await until(there, f"the account is served: {how}")

    async def refused(self) -> bool:
        """Whether the turn has learned that the key may open no streams."""
        stream = self.owner.context.stream
        assert stream is not None
        return "may not open streams" in stream._streamed.served

    async def until_cash(self, cash: str) -> None:
        async def there() -> bool:
            return (await self.account())["cash"] == cash

        await until(there, f"the record shows {cash}")

    async def shows_the_truth(self) -> bool:
        return Decimal((await self.account())["cash"]) == self.rig.account.balances["USD"]

    async def until_read(self, before: dict[str, int]) -> None:
        async def there() -> bool:
            return self.calls().get("balances", 0) > before.get("balances", 0)

        await until(there, "the balances are read")


@asynccontextmanager
async def serving(bus: Bus, *, shows_funds: bool = True, refused: bool = False) -> AsyncIterator[Scene]:
    rig = Rig(bus)
    rig.stream = stream = FakeStream(rig.account, shows_funds=shows_funds)
    if refused:
        stream.fail(StreamRefused("EGeneral:Permission denied"))
    owner = await rig.start()
    async with turn(rig, owner):
        yield Scene(bus, rig, owner, stream)


async def test_a_copied_order_costs_one_private_call_and_its_record_is_as_if_it_were_read(bus: Bus) -> None:
    async with serving(bus) as scene:
        before = await scene.settled()
        for _ in range(3):
            assert await scene.copy("0.01") is OrderState.FILLED
        await scene.until_cash("8192.8")  # 3 x 600 USD and 0.4 %
        assert scene.calls() == {**before, "place": 3}
        record = await scene.account()
        truth = scene.rig.account.balances
        assert (record["cash"], record["equity"]) == (
            format(truth["USD"].normalize(), "f"),
            format((truth["USD"] + truth["BTC"] * 60_000).normalize(), "f"),
        )


async def test_a_sale_is_counted_as_well(bus: Bus) -> None:
    async with serving(bus) as scene:
        before = await scene.settled()
        await scene.copy()
        await scene.rig.append(scene.rig.close())
        assert (await reported(scene.rig, 2))[-1] is OrderState.FILLED
        await scene.until_cash("9976")  # 0.4 % of 3,000 USD twice
        assert scene.calls() == {**before, "place": 2}


@pytest.fixture
def unreconciled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no reconciliation read the balances."""

    async def check(_: Reconciler) -> Findings:
        return Findings({})

    monkeypatch.setattr(Reconciler, "check", check)


@pytest.mark.usefixtures("unreconciled")
async def test_without_a_stream_each_order_is_asked_about_and_its_trade_counted(bus: Bus) -> None:
    """What the stream saves is the question about each order: the comparison that the scenario prints."""
    async with serving(bus, refused=True) as scene:
        await scene.until_served("polled")
        assert await scene.copy("0.01") is OrderState.FILLED, "the turn has begun"
        before = scene.calls()
        for count in range(2, 5):
            assert await scene.copy("0.01") is OrderState.FILLED
            await scene.until_cash(str(Decimal(10_000) - count * Decimal("602.4")))
        assert scene.calls() == {**before, "place": 4, "order": before["order"] + 3}


@pytest.mark.usefixtures("unreconciled")
async def test_without_a_stream_the_balances_are_read_at_their_time_however_many_trades_are_counted(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another program or the owner has moved shows in the next reading."""
    monkeypatch.setattr(keeper, "_REFRESH", 2.0)
    monkeypatch.setattr(keeper, "_SETTLED", 0.01)
    async with serving(bus, refused=True) as scene:
        await scene.until_served("polled")
        before = scene.calls()
        scene.rig.account.move("USD", Decimal(500))
        began = time.monotonic()
        while scene.calls()["balances"] == before["balances"]:
            assert await scene.copy("0.0001") is OrderState.FILLED
            assert time.monotonic() - began < 60
        await until(scene.shows_the_truth, "the record is what the venue has")


@pytest.mark.usefixtures("unreconciled")
async def test_a_refusal_for_want_of_funds_has_the_balances_read_at_once(bus: Bus) -> None:
    """By a reading that does not show what another program spent, each entry would be refused until the next one."""
    async with serving(bus, refused=True) as scene:
        await scene.until_served("polled")
        before = scene.calls()
        scene.rig.account.move("USD", Decimal(-9_990))
        assert await scene.copy() is OrderState.REJECTED
        await scene.until_read(before)


async def test_a_deposit_that_the_stream_shows_is_in_the_record_at_once(bus: Bus) -> None:
    async with serving(bus) as scene:
        before = await scene.settled()
        scene.rig.account.move("USD", Decimal(500))
        scene.stream.move_funds("USD")
        await scene.until_cash("10500")
        assert scene.calls()["balances"] == before["balances"] + 1


async def test_a_trade_of_another_program_has_the_balances_read(bus: Bus) -> None:
    async with serving(bus) as scene:
        before = await scene.settled()
        account = scene.rig.account
        await scene.copy("0.01")
        theirs = account.orders[0]
        account.move("USD", Decimal(-50))
        scene.stream.show(replace(theirs, venue_order_id="OTHER", client_order_id="of a person"))
        await scene.until_read(before)
        assert scene.calls().get("order", 0) == 0


async def test_a_cut_has_the_balances_read_after_it(bus: Bus) -> None:
    """What moved meanwhile was not shown."""
    async with serving(bus) as scene:
        await scene.settled()
        before = scene.calls()
        scene.stream.cut()
        scene.rig.account.move("USD", Decimal(500))
        await scene.until_cash("10500")
        await scene.until_read(before)
        assert scene.stream.connects == 2


async def test_a_key_that_may_not_open_streams_is_polled_and_shown_without_a_fault(bus: Bus) -> None:
    async with serving(bus, refused=True) as scene:
        await until(scene.refused, "the key was refused")
        scene.owner.context.account.refresh_soon()  # else the record says so with the next reading, up to 30 s later
        await scene.until_served("polled: the key may not open streams")
        assert await scene.copy() is OrderState.FILLED
        assert scene.rig.faults.standing == ()
        assert scene.stream.connects == 0


async def test_an_end_that_the_stream_misses_is_booked_and_counted(bus: Bus) -> None:
    async with serving(bus) as scene:
        await scene.settled()
        scene.stream.miss()
        assert await scene.copy() is OrderState.FILLED
        assert scene.rig.faults.events[FaultKind.VENUE_STREAM] == 1
        assert scene.calls()["order"] == 1
        scene.stream.miss(missing=False)
        assert await scene.copy() is OrderState.FILLED, "not waited for, and asked at once"
        assert await scene.copy() is OrderState.FILLED
        assert scene.rig.faults.events[FaultKind.VENUE_STREAM] == 1


async def test_a_parked_account_opens_no_stream(bus: Bus) -> None:
    async with serving(bus) as scene:
        await scene.settled()
        await scene.owner.context.account.park("the key is refused", Refusal.AUTH)
        scene.stream.cut()
        await asyncio.sleep(0.1)
        assert scene.stream.permits_asked == 2
        assert scene.stream.connects == 1
        await scene.owner.context.account.read()
        await scene.stream.until_connected()


@pytest.mark.parametrize("error", [RuntimeError("a defect"), Rejected("EAPI:Invalid key", Refusal.AUTH)])
async def test_a_stream_that_fails_does_not_end_the_turn(bus: Bus, error: Exception) -> None:
    async with serving(bus) as scene:
        await scene.settled()
        scene.stream.fail(error)
        assert await scene.copy() is OrderState.FILLED
        assert scene.calls()["order"] == 1


async def test_the_stream_ends_with_the_turn(bus: Bus) -> None:
    async with serving(bus) as scene:
        await scene.settled()
    assert (scene.stream.reader, scene.stream.connected) == (None, False)


async def test_orders_of_before_the_turn_count_for_who_connects_first(bus: Bus) -> None:
    async with serving(bus) as scene:
        await scene.settled()
        for _ in range(3):
            await scene.copy("0.01")
    async with serving(bus) as later:
        await later.settled()
        assert later.owner.context.stream is not None
        assert 2.9 < later.owner.context.stream.orders.count <= 3


async def test_an_account_that_is_parked_while_its_trades_are_counted_stays_parked(bus: Bus) -> None:
    """The record must not say ready of a key that was refused meanwhile; nor must a reading that began before the refusal."""
    async with serving(bus) as scene:
        await scene.settled()
        account, venue = scene.owner.context.account, scene.owner.venue
        for held, work in (("instruments", account.carry_on), ("balances", account.read)):
            gate = venue.hold(held)
            running = asyncio.create_task(work())
            await asyncio.sleep(0.05)
            await account.park("the key is refused", Refusal.AUTH)
            gate.set()
            await running
            assert ((await scene.account())["state"], account.ready) == ("parked", False)
            gate.clear()
            venue._gates.clear()
            await account.read()
            assert (await scene.account())["state"] == "ready"
