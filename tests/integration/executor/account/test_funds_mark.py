"""Paper and real money never mix: whose money the books are of, and when an account may go over to the other."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from services.executor.account.books.funds_mark import NoBooks, WrongFunds, check_funds_kind
from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import AccountState
from shared.domain.funds import Funds, FundsMark
from shared.domain.limits.risk_state import RiskState
from shared.domain.order import OrderState
from shared.domain.own_exit import own_exit
from shared.domain.position import Position
from tests.integration.executor.rig import USER, Rig
from tests.support.examples import BTC_USD, NOW, an_account, btc, btc_price, usd
from tests.support.leases import take_over
from tests.support.risk_states import write_risk

PAPER_KEY, LIVE_KEY = "a" * 16, "b" * 16
HELD = Position.flat(BTC_USD, NOW).bought(btc("0.05"), usd(3000), NOW, btc_price(60_000))


class Alice:
    """Alice's books, each opening under a lease of its own."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.records = Records(bus)

    async def store(self) -> OrderStore:
        """Take her over."""
        return OrderStore(self.bus, await take_over(self.bus, USER, str(uuid4())), USER, "kraken")

    async def open(self, funds: Funds, key: str = "") -> FundsMark | WrongFunds:
        """Open her books for a kind of money, under the key that belongs to it unless another is named."""
        fingerprint = key or (PAPER_KEY if funds is Funds.PAPER else LIVE_KEY)
        store = await self.store()
        found = await check_funds_kind(self.bus, store, USER, "kraken", funds, fingerprint)
        if isinstance(found, NoBooks):  # the venue knows of no orders: the account is a new one
            return await store.mark_books(funds, clear=False)
        return found

    async def refused(self, funds: Funds, key: str = "") -> str:
        """Open them where that must not be; nothing is changed by it."""
        before = await self.everything()
        found = await self.open(funds, key)
        assert isinstance(found, WrongFunds)
        assert await self.everything() == before
        return found.reason

    async def traded(self, *fingerprints: str) -> None:
        """Have keys used, one after the other."""
        for count, fingerprint in enumerate(fingerprints):
            await self.bus.do("SET", keys.nonce(USER, fingerprint), 1_700_000_000_000_000 + count)

    async def has(self, position: Position) -> None:
        """Write what she holds."""
        await self.records.write_position(USER, "kraken", position)

    async def everything(self) -> list[object]:
        """Read what a change of money forgets, and the mark."""
        names = (keys.books, keys.positions, keys.risk, keys.differences, keys.account)
        return [await self.bus.do("HGETALL", name(USER, "kraken")) for name in names]


@pytest.fixture
def alice(bus: Bus) -> Alice:
    return Alice(bus)


@pytest.mark.parametrize("funds", list(Funds))
async def test_new_books_are_of_the_money_that_they_begin_with(alice: Alice, funds: Funds) -> None:
    assert await alice.open(funds) == FundsMark(funds)
    await alice.has(HELD)
    assert await alice.open(funds) == FundsMark(funds)
    assert await alice.records.books([(USER, "kraken")]) == [FundsMark(funds)]
    assert await alice.records.position(USER, "kraken", BTC_USD) == HELD


@pytest.mark.parametrize(("before", "after"), [(Funds.PAPER, Funds.LIVE), (Funds.LIVE, Funds.PAPER)])
async def test_what_is_held_of_one_money_parks_the_account_under_the_other(
    alice: Alice, before: Funds, after: Funds
) -> None:
    await alice.open(before)
    await alice.has(HELD)
    reason = await alice.refused(after)
    assert reason.startswith(f"these books are of {before.words}, with 0.05 BTC held: set ")
    assert "close out there (ops flatten --user alice), then change over" in reason
    assert await alice.open(before) == FundsMark(before)


async def test_an_own_exit_that_has_begun_parks_it(alice: Alice) -> None:
    await alice.open(Funds.LIVE)
    await (await alice.store()).note_own_exit(own_exit(USER, "kraken", HELD, "stop_loss", "a test", NOW))
    assert "under way" in await alice.refused(Funds.PAPER)


@pytest.mark.parametrize("state", [OrderState.PLANNED, OrderState.SENDING, OrderState.ACCEPTED, OrderState.UNKNOWN])
async def test_an_order_without_a_proven_end_parks_it(alice: Alice, state: OrderState) -> None:
    await alice.open(Funds.LIVE)
    await alice.bus.do("HSET", keys.order(USER, "one"), "state", OrderState.FILLED)
    await alice.bus.do("HSET", keys.order(USER, "two"), "state", state)
    assert "order two under way" in await alice.refused(Funds.PAPER)


async def test_where_nothing_is_held_and_nothing_under_way_the_books_are_begun_anew(alice: Alice) -> None:
    await alice.open(Funds.LIVE)
    stopped = replace(RiskState.fresh("USD", NOW), stopped_until=NOW * 2, stopped_reason="lost real money")
    await write_risk(alice.bus, USER, "kraken", stopped)
    await alice.records.write_account(an_account(USER, state=AccountState.READY, equity=usd(100_000)))
    await alice.bus.do("HSET", keys.order(USER, "one"), "state", OrderState.FILLED)

    lease = await take_over(alice.bus, USER, "first")
    opened = await alice.open(Funds.PAPER)

    assert isinstance(opened, FundsMark)
    assert opened.funds is Funds.PAPER
    assert opened.since >= lease.since
    assert await alice.records.risk(USER, "kraken") is None
    assert await alice.records.accounts([(USER, "kraken")]) == [None], (
        "no entry may be sized by the other money's equity"
    )
    assert await alice.open(Funds.PAPER) == opened


async def test_less_than_the_venue_takes_in_one_order_does_not_hold_anybody_back(alice: Alice) -> None:
    await alice.open(Funds.LIVE)
    await alice.has(replace(HELD, size=btc("0.00004")))
    assert isinstance(await alice.open(Funds.PAPER), FundsMark)
    assert await alice.records.positions(USER, "kraken") == {}


async def test_books_from_before_there_was_a_mark_are_of_the_key_that_was_used_last(alice: Alice) -> None:
    await alice.has(HELD)
    await alice.traded(PAPER_KEY, LIVE_KEY)
    assert await alice.open(Funds.LIVE) == FundsMark(Funds.LIVE)


async def test_books_without_a_mark_and_with_something_held_do_not_go_on_with_another_key(alice: Alice) -> None:
    await alice.has(HELD)
    await alice.traded(LIVE_KEY, PAPER_KEY)
    reason = await alice.refused(Funds.LIVE)
    assert reason.startswith("these books were made with another key")
    assert "0.05 BTC held" in reason
    assert await alice.open(Funds.PAPER) == FundsMark(Funds.PAPER), "as the reason says: the former key notes it"
    assert "these books are of paper money" in await alice.refused(Funds.LIVE)


async def test_a_new_key_of_the_same_money_changes_nothing(alice: Alice) -> None:
    await alice.open(Funds.LIVE)
    await alice.has(HELD)
    await alice.traded(LIVE_KEY)
    assert await alice.open(Funds.LIVE, "c" * 16) == FundsMark(Funds.LIVE)


async def test_a_stop_out_outlives_the_first_start_that_marks_the_books(alice: Alice) -> None:
    state = replace(RiskState.fresh("USD", NOW), stopped_until=NOW * 2, stopped_reason="lost real money")
    await write_risk(alice.bus, USER, "kraken", state)
    await alice.traded(LIVE_KEY)
    await alice.open(Funds.LIVE)
    assert await alice.records.risk(USER, "kraken") == state


@pytest.mark.parametrize("broken", [keys.books, keys.positions])
async def test_books_that_cannot_be_read_are_nobodys(alice: Alice, broken: object) -> None:
    await alice.open(Funds.LIVE)
    assert callable(broken)
    await alice.bus.do("HSET", broken(USER, "kraken"), "funds", "gold", "BTC/USD", "nothing that can be read")
    assert "cannot be read" in await alice.refused(Funds.PAPER)


async def test_a_former_owner_marks_nothing(alice: Alice) -> None:
    store = await alice.store()
    await alice.open(Funds.LIVE)
    before = await alice.everything()
    with pytest.raises(LeaseLost):
        await store.mark_books(Funds.PAPER, clear=True)
    assert await alice.everything() == before


async def test_an_entry_decided_for_the_other_money_is_not_sent(bus: Bus) -> None:
    rig = Rig(bus)
    owner = await rig.start()
    owner.context.books = FundsMark(
        Funds.PAPER, since=rig.clock.now + 1
    )  # the instant of the entry that `append` writes
    report = await rig.carry(owner, rig.entry())
    assert (report.outcome, report.reason) == (
        OrderState.SKIPPED,
        "decided before this account went over to paper money",
    )
    assert not rig.account.orders
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED


async def test_nothing_is_traded_under_a_name_that_was_renamed_nor_under_the_new_one_before_it_is_finished(
    alice: Alice,
) -> None:
    await alice.open(Funds.LIVE)
    await alice.bus.do("HSET", keys.books(USER, "kraken"), "taken_from", "al")
    assert "repeat `ops user rename al alice`" in await alice.refused(Funds.LIVE)
    await alice.bus.do("HSET", keys.books(USER, "kraken"), "taken_from", "", "renamed_to", "alicia", "renamed_at", 1)
    assert "alice is called alicia now" in await alice.refused(Funds.LIVE)
