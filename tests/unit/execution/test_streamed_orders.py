"""What a stream has shown of an account's orders: kept, doubted and trusted again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.following.streamed_orders import StreamedOrders
from shared.venues.port import VenueOrder, VenueOrderStatus
from shared.venues.stream import FundsKind, FundsMoved, OrderSeen

BTC = Symbol("BTC", "USD")
OPENED = VenueOrder(
    venue_order_id="O1",
    client_order_id="c1",
    symbol=BTC,
    side=Side.BUY,
    status=VenueOrderStatus.OPEN,
    filled=Quantity(ZERO, "BTC"),
    cost=Money(ZERO, "USD"),
    fee=ZERO,
    fee_asset="USD",
    opened_at=1,
    closed_at=None,
)
ENDED = replace(
    OPENED,
    status=VenueOrderStatus.DONE,
    filled=Quantity(Decimal(1), "BTC"),
    cost=Money(Decimal(100), "USD"),
    fee=Decimal("0.4"),
    closed_at=2,
)


class Account:
    """An account's stream under a clock that the test moves, and what it has reported."""

    def __init__(self) -> None:
        self.now = 0.0
        self.funds_changed = 0
        self.missed = 0
        self.streamed = StreamedOrders(
            "alice",
            lambda: self.now,
            funds_changed=self._funds,
            is_own=lambda client_id: client_id.startswith("c"),
            missed=self._miss,
        )

    def show(self, order: VenueOrder, *, whole: bool = True) -> None:
        self.streamed.order_seen(OrderSeen(order, whole, order.closed_at))

    def _funds(self) -> None:
        self.funds_changed += 1

    def _miss(self) -> None:
        self.missed += 1


@pytest.fixture
async def account() -> Account:
    made = Account()
    await made.streamed.resumed("connected")
    made.funds_changed = 0
    return made


async def test_it_covers_what_happens_after_it_was_resumed_and_until_it_is_interrupted() -> None:
    account = Account()
    assert not account.streamed.covers(0.0)
    account.now = 5.0
    await account.streamed.resumed("connected")
    assert (account.streamed.covers(4.9), account.streamed.covers(5.0)) == (False, True)
    account.now = 9.0
    await account.streamed.resumed("a gap")
    assert (account.streamed.covers(5.0), account.streamed.covers(9.0)) == (False, True)
    account.streamed.interrupted("cut")
    assert not account.streamed.covers(9.0)
    assert (account.streamed.alive, account.streamed.served) == (False, "polled: cut")
    account.show(ENDED)
    assert not account.streamed.alive, "a row of before the cut does not make it whole"


async def test_a_stream_that_missed_an_end_is_not_awaited_until_it_shows_something(account: Account) -> None:
    account.streamed.missed("O2")
    assert (account.missed, account.streamed.alive) == (1, False)
    account.show(OPENED)
    assert account.streamed.covers(0.0)


async def test_an_end_that_came_while_rest_was_asked_is_not_missed(account: Account) -> None:
    account.show(ENDED)
    account.streamed.missed("O1")
    assert (account.missed, account.streamed.alive) == (0, True)


async def test_an_end_stands_and_a_row_of_before_it_changes_nothing(account: Account) -> None:
    account.show(ENDED)
    account.show(OPENED)
    account.streamed.unclear("O1", "an unknown word")
    account.show(ENDED, whole=False)
    assert account.streamed.end_of("O1") == ENDED


async def test_what_is_not_whole_is_doubted_until_it_is(account: Account) -> None:
    account.show(ENDED, whole=False)
    account.show(OPENED)
    assert (account.streamed.end_of("O1"), account.streamed.doubts("O1")) == (None, True)
    account.show(ENDED)
    assert (account.streamed.end_of("O1"), account.streamed.doubts("O1")) == (ENDED, False)


async def test_an_unclear_order_is_doubted_until_it_is_whole_again(account: Account) -> None:
    account.streamed.unclear("O1", "an unknown word")
    assert account.streamed.doubts("O1")
    account.show(OPENED, whole=False)
    assert account.streamed.doubts("O1")
    account.show(OPENED)
    assert not account.streamed.doubts("O1")


async def test_a_client_id_of_two_orders_names_none_and_both_exist(account: Account) -> None:
    account.show(OPENED)
    assert account.streamed.id_of("c1") == "O1"
    account.show(replace(OPENED, venue_order_id="O2"))
    assert (account.streamed.id_of("c1"), account.streamed.shows("c1")) == ("", True)


async def test_old_orders_are_forgotten_with_their_client_ids(account: Account) -> None:
    account.show(ENDED)
    for number in range(2, 1_003):
        account.show(replace(ENDED, venue_order_id=f"O{number}", client_order_id=f"c{number}"))
    assert (account.streamed.end_of("O1"), account.streamed.shows("c1")) == (None, False)
    assert account.streamed.id_of("c1002") == "O1002"
    assert len(account.streamed._shown) == len(account.streamed._by_client_id) == 1_000


async def test_only_other_causes_than_own_orders_have_the_balances_read(account: Account) -> None:
    account.show(OPENED)
    account.show(ENDED)
    assert account.funds_changed == 0
    account.show(replace(OPENED, client_order_id="of-a-person"))
    assert account.funds_changed == 0, "nothing has filled"
    account.show(replace(ENDED, client_order_id="of-a-person"))
    account.streamed.funds_moved(FundsMoved("USD", FundsKind.DEPOSIT, 3))
    account.streamed.unclear("O9", "an unknown word")
    await account.streamed.resumed("a gap")
    assert account.funds_changed == 4


async def test_waiting_ends_with_news_of_the_order_with_the_time_and_with_the_stream(account: Account) -> None:
    never = asyncio.Event()

    async def woken_by(cause: object) -> None:
        waiting = asyncio.create_task(account.streamed.wait("O1", "c1", never.wait()))
        await asyncio.sleep(0)
        account.show(replace(OPENED, venue_order_id="O7", client_order_id="c7"))
        await asyncio.sleep(0.01)
        assert not waiting.done(), "news of another order"
        cause()  # type: ignore[operator]  # one of the causes below
        await waiting

    async with asyncio.timeout(30):
        await woken_by(lambda: account.show(ENDED))
        await woken_by(lambda: account.show(replace(OPENED, venue_order_id="O8")))
        await woken_by(lambda: account.streamed.unclear("O1", "an unknown word"))
        await woken_by(lambda: account.streamed.interrupted("cut"))
        await account.streamed.wait("O1", "c1", asyncio.sleep(0))
    assert account.streamed._waiting == {}


async def test_a_wait_that_is_cancelled_leaves_nothing_behind(account: Account) -> None:
    waiting = asyncio.create_task(account.streamed.wait("O1", "c1", asyncio.sleep(60)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert account.streamed._waiting == {}
    assert len(asyncio.all_tasks()) == 1


async def test_a_time_that_fails_is_raised(account: Account) -> None:
    async def fail() -> None:
        raise RuntimeError("the clock")

    with pytest.raises(RuntimeError, match="the clock"):
        await account.streamed.wait("O1", "c1", fail())
