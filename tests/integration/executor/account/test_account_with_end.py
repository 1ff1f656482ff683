"""The account's record is written with the trade's end, and no other write of it may make the trade count twice or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.order import OrderState
from shared.venues.errors import Refusal
from tests.integration.executor.rig import USER, Owner, Rig
from tests.support.examples import btc_price


async def _amounts(rig: Rig) -> tuple[Decimal, Decimal]:
    equity, cash = await rig.bus.do("HMGET", keys.account(USER, "kraken"), "equity", "cash")
    return Decimal(equity), Decimal(cash)


async def test_the_record_says_with_the_end_what_a_reading_says_later(rig: Rig, owner: Owner) -> None:
    await owner.context.account.read()
    for decision in (rig.entry("0.05"), rig.entry("0.02"), rig.close()):
        rig.clock.now += 1
        report = await rig.carry(owner, decision)
        assert report.outcome is OrderState.FILLED
        written = await _amounts(rig)
        assert written[1] == rig.account.balances["USD"]
        assert not owner.context.account._wanted.is_set(), "nothing is left to be written"
    rig.clock.now += 1
    await owner.context.account.read()
    assert await _amounts(rig) == written


async def test_entries_are_sized_by_what_is_left_after_the_trades_before(rig: Rig, owner: Owner) -> None:
    await owner.context.account.read()
    await rig.carry(owner, rig.entry("0.05"))
    account = owner.context.account
    assert account.after_trades() == account.latest
    assert account.latest is not None
    assert account.latest.cash is not None
    assert account.latest.cash.amount == rig.account.balances["USD"]


@pytest.mark.parametrize("what", ["read", "carry_on"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_record_that_is_written_meanwhile_is_written_again_with_the_trade(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    account, store = owner.context.account, owner.context.store
    await account.read()
    settle: Callable[..., Awaitable[bool]] = store.settle

    async def meanwhile(*args: Any, **kwargs: Any) -> bool:
        balance = rig.account.balances["USD"]
        rig.account.balances["USD"] = Decimal(10_000)  # the reading does not contain the trade yet
        if when == "before":
            await getattr(account, what)()
        new = await settle(*args, **kwargs)
        if when == "after":
            await getattr(account, what)()
        rig.account.balances["USD"] = balance
        return new

    monkeypatch.setattr(store, "settle", meanwhile)
    await rig.carry(owner, rig.entry("0.05"))
    after = account.after_trades()
    assert after is not None
    assert after.cash is not None
    assert after.cash.amount == rig.account.balances["USD"], "what the next entry may spend"
    assert account._wanted.is_set()
    await account.carry_on()
    assert (await _amounts(rig))[1] == rig.account.balances["USD"]


async def test_a_reading_that_ends_after_the_trade_has_the_record_written_again(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The balances were asked for before the trade, and answered after it: they may lack it."""
    account = owner.context.account
    await account.read()
    write: Callable[..., Awaitable[None]] = account._records.write_account

    async def meanwhile(*args: Any) -> None:
        monkeypatch.setattr(account._records, "write_account", write)
        await rig.carry(owner, rig.entry("0.05"))
        await write(*args)

    monkeypatch.setattr(account._records, "write_account", meanwhile)
    await account.read()
    assert account._wanted.is_set()
    await account.carry_on()
    assert (await _amounts(rig))[1] == rig.account.balances["USD"]


async def test_a_count_that_a_trade_overtakes_is_not_written_over_it(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = owner.context.account
    await account.read()
    await Records(rig.bus).write_prices("kraken", [btc_price("60000")], rig.clock.now)
    valued: Callable[..., Awaitable[Any]] = account._valued

    async def meanwhile(*args: Any) -> Any:
        found = await valued(*args)
        monkeypatch.setattr(account, "_valued", valued)
        await rig.carry(owner, rig.entry("0.05"))
        return found

    monkeypatch.setattr(account, "_valued", meanwhile)
    await account.carry_on()
    assert (await _amounts(rig))[1] == rig.account.balances["USD"]
    assert account._wanted.is_set(), "it is counted again"


async def test_a_sale_that_the_reading_contains_already_changes_nothing(rig: Rig, owner: Owner) -> None:
    """It is booked later, by an owner who takes it over: the coins that are left are valued as they were."""
    account = owner.context.account
    await Records(rig.bus).write_prices("kraken", [btc_price("60000")], rig.clock.now)
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, rig.close(fraction="0.5"))
    _, sold = rig.account.orders
    rig.clock.now += 120_000  # an own trade no longer values anything
    await Records(rig.bus).write_prices("kraken", [btc_price("62000")], rig.clock.now)
    await account.read()
    after = account.after_trade(sold)
    assert after is not None
    assert after.account == account.latest
    account.traded(sold, after)
    rig.clock.now += 1
    await rig.carry(owner, rig.close())
    assert await _amounts(rig) == (rig.account.balances["USD"], rig.account.balances["USD"]), "nothing but cash is left"


async def test_a_key_that_is_refused_while_its_reading_is_written_stays_parked(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = owner.context.account
    write: Callable[..., Awaitable[None]] = account._records.write_account

    async def meanwhile(*args: Any) -> None:
        await write(*args)
        await account.park("the key is refused", Refusal.AUTH)

    monkeypatch.setattr(account._records, "write_account", meanwhile)
    await account.read()
    assert not account.ready
    assert await rig.bus.do("HGET", keys.account(USER, "kraken"), "state") == "parked"


async def test_an_account_that_is_parked_is_not_written_with_an_end(rig: Rig, owner: Owner) -> None:
    account = owner.context.account
    await account.read()
    await rig.carry(owner, rig.entry("0.05"))
    (bought,) = rig.account.orders
    await account.park("the key is refused", Refusal.AUTH)
    assert account.after_trade(bought) is None
