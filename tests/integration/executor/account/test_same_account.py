"""A key of another account of the venue is not traded with by these books; another key of the same account is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.executor.account.books.lost_books import LOOK_BACK_DAYS
from services.executor.account.keys import same_account
from services.executor.account.keys.gates import GateRefusal, KeyGate
from services.executor.account.keys.same_account import SameAccountGate
from shared.bus.connection import Bus
from shared.bus.order.interventions import ask_for_rebuilding
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.rebuilding import RebuildMode, RebuildRequest
from shared.domain.fault import FaultKind, Faults
from shared.domain.funds import Funds, FundsMark
from shared.domain.order import OrderState
from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.fake import FakeVenue
from tests.integration.executor.rig import USER, Owner, Rig, rebuilder

OLD, NEW = "a" * 16, "b" * 16


@pytest.fixture
async def traded(rig: Rig, owner: Owner) -> Owner:
    """Alice's turn after an entry that filled, with books that were begun under the key OLD."""
    await owner.context.store.mark_books(Funds.LIVE, clear=False)
    await gate_of(owner, OLD).check()
    await rig.carry(owner, rig.entry("0.05"))
    return owner


def gate_of(owner: Owner, fingerprint: str, faults: Faults | None = None, *, later_ms: int = 0) -> SameAccountGate:
    context = owner.context
    bus, venue = owner.dispatcher._context.store._bus, owner.venue
    clock = context.clock
    return SameAccountGate(bus, USER, venue, context.store, fingerprint, lambda: clock() + later_ms, faults or Faults())


async def mark_of(bus: Bus, user: str = USER) -> FundsMark:
    (found,) = await Records(bus).books([(user, "kraken")])
    assert found is not None
    return found


async def test_the_key_that_is_recorded_asks_the_venue_nothing(rig: Rig, traded: Owner) -> None:
    assert (await mark_of(rig.bus)).key == OLD
    before = traded.venue.calls.total()
    await gate_of(traded, OLD).check()
    assert traded.venue.calls.total() == before


async def test_another_key_of_the_same_account_is_recorded_after_one_question(rig: Rig, traded: Owner) -> None:
    before = traded.venue.calls.total()
    gate = gate_of(traded, NEW)
    for _ in range(3):
        await gate.check()
    assert traded.venue.calls.total() == before + 1
    assert (await mark_of(rig.bus)).key == NEW


async def test_a_key_of_another_account_is_refused_until_the_former_one_is_back(rig: Rig, traded: Owner) -> None:
    mine, rig.account.orders = rig.account.orders, []  # this key sees another account
    faults, before = Faults(), traded.venue.calls["order"]
    gate = gate_of(traded, NEW, faults)
    for _ in range(3):
        with pytest.raises(
            GateRefusal, match=r"bbbbbbbbbbbbbbbb is of another account at kraken: .*the last order"
        ) as found:
            await gate.check()
    assert found.value.books_lost
    assert mine[0].venue_order_id in found.value.reason
    assert [each.kind for each in faults.standing] == [FaultKind.KEY]
    assert traded.venue.calls["order"] == before + 1  # not at each of the checks, which are seconds apart
    mark = await mark_of(rig.bus)
    assert (mark.key, mark.other_key) == (OLD, NEW)
    rig.account.orders = mine
    await gate_of(traded, OLD, faults).check()
    assert faults.standing == ()


async def test_an_order_that_the_venue_shows_a_moment_later_lets_the_key_in(
    rig: Rig, traded: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_account, "_AGAIN", 0.0)
    mine, rig.account.orders = rig.account.orders, []
    gate = gate_of(traded, NEW)
    with pytest.raises(GateRefusal):
        await gate.check()
    rig.account.orders = mine
    await gate.check()
    mark = await mark_of(rig.bus)
    assert (mark.key, mark.other_key) == (NEW, "")


async def test_the_list_of_ended_orders_is_proof_too(rig: Rig, traded: Owner) -> None:
    rig.account.hidden_lookups = 1
    await gate_of(traded, NEW).check()
    assert traded.venue.calls["closed_orders"] == 1


@pytest.mark.parametrize(
    "error", [Unavailable("no answer"), Rejected("EGeneral:Permission denied", Refusal.AUTH)], ids=["away", "rights"]
)
async def test_without_an_answer_the_key_is_neither_let_in_nor_called_anothers(
    rig: Rig, traded: Owner, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: FakeVenue, __: str) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(FakeVenue, "order", fails)
        with pytest.raises(type(error)):
            await gate_of(traded, NEW).check()
    mark = await mark_of(rig.bus)
    assert (mark.key, mark.other_key) == (OLD, "")


async def test_books_without_a_filled_order_take_any_key(rig: Rig, owner: Owner) -> None:
    await owner.context.store.mark_books(Funds.LIVE, clear=False)
    await gate_of(owner, OLD).check()
    await gate_of(owner, NEW).check()
    assert (await mark_of(rig.bus)).key == NEW


async def test_no_books_are_no_reason_and_get_no_key(rig: Rig, owner: Owner) -> None:
    await gate_of(owner, OLD).check()
    assert await rig.bus.do("EXISTS", keys.books(USER, "kraken")) == 0


async def test_books_of_a_version_that_recorded_no_key_take_the_key_that_was_used(rig: Rig, traded: Owner) -> None:
    rig.account.orders = []  # as after a restart of the paper exchange
    await rig.bus.do("HDEL", keys.books(USER, "kraken"), "key")
    with pytest.raises(GateRefusal):
        await gate_of(traded, NEW).check()
    await KeyGate(rig.bus, traded.lease, OLD, Faults()).check()
    await gate_of(traded, OLD).check()
    assert (await mark_of(rig.bus)).key == OLD


async def test_orders_of_before_the_books_do_not_count(rig: Rig, traded: Owner) -> None:
    rig.account.orders = []
    await traded.context.store.mark_books(Funds.PAPER, clear=True)
    await gate_of(traded, NEW).check()


async def test_what_was_traded_long_ago_is_no_reason(rig: Rig, traded: Owner) -> None:
    """A venue may have put such orders away; and an exit must not wait for that."""
    rig.account.orders = []
    day = 24 * 3600 * 1000
    with pytest.raises(GateRefusal):
        await gate_of(traded, NEW, later_ms=(LOOK_BACK_DAYS - 1) * day).check()
    await gate_of(traded, NEW, later_ms=(LOOK_BACK_DAYS + 1) * day).check()


async def test_a_renamed_user_is_asked_for_the_orders_of_the_former_name(rig: Rig, traded: Owner) -> None:
    mine = keys.reports(USER)
    await rig.bus.do("RENAME", mine, keys.reports("ann"))
    with_history = gate_of(traded, NEW)
    rig.account.orders = []
    await rig.bus.do("HSET", keys.books(USER, "kraken"), "formerly", "ann")
    with pytest.raises(GateRefusal):
        await with_history.check()


async def test_an_operator_may_begin_empty_books_for_the_other_account(rig: Rig, traded: Owner) -> None:
    rig.account.orders, rig.account.balances = [], {"USD": Decimal(100)}
    gate, context = gate_of(traded, NEW), traded.context
    with pytest.raises(GateRefusal):
        await gate.check()
    context.account.books_lost = True
    rebuilding = rebuilder(rig.bus, context)
    answers = {}
    for mode in (RebuildMode.WRITE, RebuildMode.DISOWN):
        rig.clock.now += 1
        await ask_for_rebuilding(rig.bus, USER, RebuildRequest(rebuild_at=rig.clock.now, rebuild_mode=mode))
        await rebuilding.round()
        answers[mode] = pairs(await rig.bus.do("HGETALL", keys.rebuilt(USER, "kraken")))
    assert answers[RebuildMode.WRITE]["written"] == "False"
    assert "another account than the key" in answers[RebuildMode.WRITE]["reason"]
    assert (answers[RebuildMode.DISOWN]["written"], answers[RebuildMode.DISOWN]["reason"]) == ("True", "")
    await gate.check()
    mark = await mark_of(rig.bus)
    assert (mark.key, mark.other_key) == (NEW, "")
    assert mark.since > 0
    assert await rig.position() is None


@pytest.mark.parametrize("state", [OrderState.SENDING, OrderState.ACCEPTED, OrderState.UNKNOWN])
async def test_no_empty_books_while_an_order_of_the_former_account_is_under_way(
    rig: Rig, traded: Owner, state: OrderState
) -> None:
    rig.account.orders = []
    with pytest.raises(GateRefusal):
        await gate_of(traded, NEW).check()
    traded.context.account.books_lost = True
    await rig.bus.do("HSET", keys.order(USER, "sent"), "state", state, "venue", "kraken")
    rig.clock.now += 1
    request = RebuildRequest(rebuild_at=rig.clock.now, rebuild_mode=RebuildMode.DISOWN)
    await ask_for_rebuilding(rig.bus, USER, request)
    await rebuilder(rig.bus, traded.context).round()
    answer = pairs(await rig.bus.do("HGETALL", keys.rebuilt(USER, "kraken")))
    assert answer["written"] == "False"
    assert "order sent was sent on the former account" in answer["reason"]
    assert await rig.position() is not None


async def test_orders_of_a_person_on_the_other_account_prove_nothing(rig: Rig, traded: Owner) -> None:
    rig.account.orders = [replace(each, venue_order_id=f"X{each.venue_order_id}") for each in rig.account.orders]
    with pytest.raises(GateRefusal):
        await gate_of(traded, NEW).check()
