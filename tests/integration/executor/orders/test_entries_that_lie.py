"""Entries of an order stream that lie: a dead letter with the reason, or an end that says why; never an order. Case S10."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.bus.flow.streams import Entry, entry_ms, flatten, read_entries
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.messages import OrderMessage
from shared.domain.order import Copy, Decision, OrderState
from tests.integration.executor.rig import USER, Owner, Rig, until
from tests.integration.executor.turns import reported, turn
from tests.support.examples import an_id, btc, btc_price

STREAM = keys.orders(USER)
HOUR = 3_600_000


async def _write(rig: Rig, decision: Decision, **lies: str | None) -> None:
    """Write a decision into alice's stream, with other words in some of its fields; None leaves a field out."""
    rig.clock.now += 1
    fields = OrderMessage.from_domain(decision).fields() | {
        name: text for name, text in lies.items() if text is not None
    }
    kept = {name: text for name, text in fields.items() if lies.get(name, "") is not None}
    await rig.bus.do("XADD", STREAM, f"{rig.clock.now}-0", *flatten(kept))


async def _letters(rig: Rig) -> list[str]:
    rows = await rig.bus.do("XRANGE", keys.dead(STREAM), "-", "+")
    return [entry.fields["reason"] for entry in read_entries(keys.dead(STREAM), rows)]


async def _buried(rig: Rig, count: int) -> list[str]:
    async def there() -> bool:
        return len(await _letters(rig)) >= count and await rig.pending() == 0

    await until(there, f"{count} dead letters")
    return await _letters(rig)


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"user": "bob"}, "OrderMessage.user: 'bob' in the stream of 'alice'"),
        ({"base_size": "1_000"}, "OrderMessage.base_size"),
        ({"base_size": "０.０５"}, "OrderMessage.base_size"),
        ({"base_size": "5e-2"}, "OrderMessage.base_size"),
        ({"base_size": "0"}, "OrderMessage.base_size"),
        ({"v": None}, "OrderMessage.v: a message must have its version"),
        ({"limit_price": ""}, "OrderMessage: a copied entry needs limit_price"),
        ({"limit_price": None}, "OrderMessage: a copied entry needs limit_price"),
        ({"not_after": ""}, "OrderMessage: a copied entry needs not_after"),
        ({"not_after": "1_0"}, "OrderMessage.not_after"),
    ],
)
async def test_an_entry_that_lies_is_a_dead_letter_with_the_reason(
    rig: Rig, owner: Owner, lie: dict[str, str | None], reason: str
) -> None:
    """Cases S10 and R6. What comes after it is carried out."""
    await _write(rig, rig.entry("0.01"), **lie)
    await rig.append(rig.entry("0.05"))
    async with turn(rig, owner):
        assert await reported(rig, 1) == [OrderState.FILLED]
        (letter,) = await _buried(rig, 1)
    assert letter.startswith(reason)
    assert [order.filled for order in rig.account.orders] == [btc("0.05")]


async def test_a_second_decision_on_one_signal_is_a_dead_letter_and_no_second_order(rig: Rig, owner: Owner) -> None:
    """Its order id is another one, so that nothing else would see that it has been carried out already."""
    first = rig.entry("0.01", signal=an_id("signal"))
    second = replace(rig.entry("0.02", signal=an_id("signal")), id=an_id("another order"))
    await rig.append(first)
    await rig.append(second)
    async with turn(rig, owner):
        assert await reported(rig, 1) == [OrderState.FILLED]
        (letter,) = await _buried(rig, 1)
    assert letter == f"OrderMessage.id: a second decision on its signal; the first is {first.id}"
    assert len(rig.account.orders) == 1


async def test_a_second_decision_on_one_signal_for_another_venue_is_one_too_many_as_well(
    rig: Rig, owner: Owner
) -> None:
    """The venue is part of the order's id; a signal is copied in one account of a user."""
    first = rig.entry("0.01", signal=an_id("signal"))
    await rig.append(first)
    await rig.append(replace(first, id=an_id("another order"), venue="coinbase"))
    async with turn(rig, owner):
        assert await reported(rig, 1) == [OrderState.FILLED]
        (letter,) = await _buried(rig, 1)
    assert letter == f"OrderMessage.id: a second decision on its signal; the first is {first.id}"


async def test_an_entry_of_a_signal_from_the_future_expires(rig: Rig, owner: Owner) -> None:
    """Whatever its last moment says: it would be fresh for ever."""
    ahead = rig.clock.now + HOUR
    decision = rig.entry()
    lie = replace(decision, signal_at=ahead, copy=Copy(btc("0.05"), None, btc_price(60_300), ahead + 30_000))
    report = await rig.carry(owner, lie)
    assert report.outcome is OrderState.EXPIRED
    assert report.reason.endswith("s in the future; a clock is wrong")
    assert rig.account.orders == []


async def test_an_entry_whose_last_moment_lies_expires_by_the_users_own_setting(rig: Rig, owner: Owner) -> None:
    old = rig.clock.now - HOUR
    lie = replace(rig.entry(), signal_at=old, copy=Copy(btc("0.05"), None, btc_price(60_300), rig.clock.now + HOUR))
    report = await rig.carry(owner, lie)
    assert (report.outcome, report.reason) == (OrderState.EXPIRED, "3570.0 s past the age this user accepts")
    assert rig.account.orders == []


async def test_an_order_that_redis_forgot_is_found_although_its_signal_is_dated_ahead(rig: Rig, owner: Owner) -> None:
    """The venue's list begins before the entry was written: begun at the signal's own instant it would miss what was sent."""
    await rig.carry(owner, rig.entry("0.05"))
    close = replace(rig.close(), signal_at=rig.clock.now + HOUR)
    await rig.carry(owner, close)
    assert len(rig.account.orders) == 2
    await rig.bus.do("DEL", keys.order(USER, close.id))
    await rig.bus.do("HSET", keys.positions(USER, "kraken"), "BTC/USD", _held_again())
    rig.clock.now += 600_000
    again = await rig.start()
    entry_id = next(entry.id for entry in await _entries(rig) if entry.fields["id"] == close.id)
    assert entry_ms(entry_id) < close.signal_at
    await again.dispatcher.run(close, entry_id, redelivered=True)
    assert len(rig.account.orders) == 2, "sold a second time"
    record = pairs(await rig.bus.do("HGETALL", keys.order(USER, close.id)))
    assert record["state"] == "filled"


def _held_again() -> str:
    return (
        '{"v": "1", "symbol": "BTC/USD", "base_size": "0.05", "cost": "3000", '
        '"opened_at": "1", "updated_at": "2", "high": ""}'
    )


async def _entries(rig: Rig) -> list[Entry]:
    return read_entries(STREAM, await rig.bus.do("XRANGE", STREAM, "-", "+"))
