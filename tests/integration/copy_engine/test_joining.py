"""A user with a pending join: the account, the master's moves, the settings and what is held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import pytest

from services.copy_engine.joining.join_decision import PATIENCE_MS
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import MASTER, AccountState
from shared.domain.limits.policy import OnJoin, OnLeave, SizingMode, SizingPolicy, UserPolicy
from shared.domain.order import Kind
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_exit, an_id, btc, btc_price, usd
from tests.support.newcomers import DAVE, Clock, Turn, joining, market, opened, told
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]
S: Final = an_id("open")


async def test_he_waits_for_his_account_while_signals_are_decided_as_always(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.CONNECTING, "")
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    part = await emit(an_exit("part", "0.5"))
    assert await told(bus) == []
    await turn.distribute()
    await Records(bus).write_account(an_account("dave"))
    await turn.join()
    (entry_id, first), (_, join) = await decided(bus, "dave")
    assert (entry_id, first.kind) == (part.id, Kind.EXIT)
    assert join.copy is not None
    assert join.copy.base_size == btc("0.025")  # of what is left


async def test_patience_ends_in_a_visible_skip(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.PARKED, "EAPI:Invalid key")
    clock = Clock()
    turn = await Turn(bus, [*users, DAVE], clock).begin()
    clock.now += PATIENCE_MS - 1
    await turn.join()
    assert await told(bus) == []
    clock.now += 1
    await turn.join()
    ((_, decision),) = await told(bus)
    assert decision.copy is None
    assert decision.code == ReasonCode.PARKED
    assert await joining(bus) == ""


async def test_a_close_ends_the_waiting_with_no_trade(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.CONNECTING, "")
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    await emit(an_exit("close"))
    await Records(bus).write_account(an_account("dave"))
    await turn.join()  # the close is in the stream and not carried yet: it comes first
    assert await told(bus) == []
    await turn.distribute()
    await turn.join()
    assert await told(bus) == []
    assert await joining(bus) == ""


async def test_an_entry_that_comes_while_he_waits_is_all_that_he_gets(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    await bus.do("HDEL", keys.prices("kraken"), "BTC/USD")
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    more = an_entry("more", position_before=btc("0.1"), position_after=btc("0.2"))
    entry = await emit(more)
    await turn.distribute()
    await market(bus)
    await turn.join()
    (entry_id, copied), (_, join) = await decided(bus, "dave")
    assert entry_id == entry.id
    assert copied.copy is not None
    assert join.copy is None
    assert join.signal_id == S
    assert join.code == ReasonCode.POSITION_INCREASED
    assert an_id("more") in join.reason


async def test_who_comes_back_joins_what_was_opened_meanwhile_and_nothing_that_was_decided_for_him(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, [*users, DAVE])  # decided for dave as it came
    turn = await Turn(bus, users).begin()
    eth = Symbol("ETH", "USD")
    unit = {"symbol": eth, "base_size": replace(btc(1), asset="ETH"), "position_after": replace(btc(1), asset="ETH")}
    flat = replace(btc(0), asset="ETH")
    price = replace(btc_price(3000), symbol=eth)
    await emit(an_entry("eth", **unit, position_before=flat, price=price, quote_size=usd(3000)))
    await turn.distribute()
    await Records(bus).write_prices("kraken", [price], NOW)
    await turn.follow([*users, DAVE])
    await turn.join()
    ((_, join),) = await told(bus)
    assert (join.symbol, join.signal_id) == (eth, an_id("eth"))
    assert join.copy is not None
    assert await joining(bus) == ""


async def test_by_cash_the_master_had_what_it_has_and_what_all_this_has_cost(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    await Records(bus).write_account(an_account(MASTER, equity=usd(90_000), cash=usd(4_000)))
    follower = replace(DAVE, sizing=SizingPolicy(mode=SizingMode.CASH))
    await (await Turn(bus, [*users, follower]).begin()).join()
    ((_, join),) = await told(bus)
    assert join.copy is not None
    assert join.copy.base_size == btc("0.05")  # 5,000 of 4,000 and 6,000


async def test_who_holds_it_already_does_not_buy_it_again(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await opened(bus, emit, users)
    held = Position(BTC_USD, btc("0.01"), usd(600), NOW, NOW)
    await Records(bus).write_position("dave", "kraken", held)
    await (await Turn(bus, [*users, DAVE]).begin()).join()
    ((_, decision),) = await told(bus)
    assert decision.code == ReasonCode.ALREADY_HELD


async def test_positions_that_cannot_be_read_are_a_skip(bus: Bus, users: Sequence[UserPolicy], emit: Emit) -> None:
    await opened(bus, emit, users)
    await bus.do("HSET", keys.positions("dave", "kraken"), "BTC/USD", "much")
    await (await Turn(bus, [*users, DAVE]).begin()).join()
    ((_, decision),) = await told(bus)
    assert decision.copy is None
    assert decision.code == ReasonCode.RECORD_UNREADABLE


async def test_another_position_that_cannot_be_read_keeps_nobody_from_joining(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Case E4, a sibling."""
    await opened(bus, emit, users)
    await bus.do("HSET", keys.positions("dave", "kraken"), "ETH/USD", "much")
    await (await Turn(bus, [*users, DAVE]).begin()).join()
    ((_, decision),) = await told(bus)
    assert decision.copy is not None


async def test_a_following_record_of_another_type_ends_nobody_elses(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    """Case E4, a sibling: two users have left, and the record of one of them is no hash."""
    turn = await Turn(bus, [*users, DAVE]).begin()
    await bus.do("SET", keys.following("erin"), "no hash")
    await turn.follow(users)
    assert await bus.do("HGET", keys.following("dave"), "until")


async def test_a_user_whose_stream_is_broken_stops_nobody_and_is_joined_once_it_is_mended(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    erin = a_policy("erin", on_join=OnJoin.COPY_OPEN)
    await Records(bus).write_account(an_account("erin"))
    turn = await Turn(bus, [*users, DAVE, erin]).begin()
    await bus.do("SET", keys.orders("dave"), "not a stream")
    await turn.join()
    assert len(await told(bus, "erin")) == 1
    await bus.do("DEL", keys.orders("dave"))
    await turn.follow([*users, DAVE, erin])
    await turn.join()
    assert [len(await told(bus, user)) for user in ("dave", "erin")] == [1, 1]


@pytest.mark.parametrize(
    "policy",
    [
        a_policy("dave"),
        replace(DAVE, enabled=False, on_leave=OnLeave.EXITS_ONLY),
    ],
)
async def test_who_has_not_asked_for_it_or_only_exits_is_not_joined(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit, policy: UserPolicy
) -> None:
    await opened(bus, emit, users)
    turn = await Turn(bus, [*users, policy]).begin()
    assert await joining(bus) is None
    await turn.follow([*users, DAVE])  # dave asks for it later, when dave follows already
    await turn.join()
    assert await joining(bus) is None
    assert await decided(bus, "dave") == []


async def test_who_changes_his_mind_while_he_waits_is_not_joined(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit
) -> None:
    await opened(bus, emit, users)
    await Records(bus).mark_account("dave", "kraken", AccountState.CONNECTING, "")
    turn = await Turn(bus, [*users, DAVE]).begin()
    await turn.join()
    await turn.follow([*users, a_policy("dave")])
    await turn.join()
    assert await joining(bus) == ""
    assert await decided(bus, "dave") == []
