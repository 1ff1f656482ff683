"""What other decisions would have made in money, from fills that were reported."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.limits.policy import LimitPolicy
from shared.what_if.views import rows_of
from tests.integration.what_if.asking import ask, decide, fill, own_sale
from tests.support.examples import NOW, a_policy, an_entry, an_exit
from tests.support.order_stream import decided


async def test_a_smaller_multiplier_halves_entries_and_what_they_made(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_exit("two")])
    await fill(bus, "alice", 0, "0.05", "60000")
    await fill(bus, "alice", 1, "0.05", "61000", NOW + 900)
    found = await ask(bus, "sizing.multiplier=0.5")
    (row,) = rows_of(found)
    assert (row.recorded, row.would_be) == ("copy 0.05 BTC", "copy 0.025 BTC")
    effect = found.effect
    assert (effect.entries_smaller, effect.exits_smaller, effect.entries_not_made) == (1, 1, 0)
    assert (effect.profit, effect.changed_profit) == ({"USD": Decimal(46)}, {"USD": Decimal(23)})


async def test_an_entry_that_would_not_have_been_made_leaves_its_exit_without_anything_to_sell(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_exit("two")])
    await fill(bus, "alice", 0, "0.05", "60000")
    await fill(bus, "alice", 1, "0.05", "59000", NOW + 900)
    found = await ask(bus, "symbols.exclude=BTC/USD")
    (row,) = rows_of(found)
    assert (row.would_be, row.code) == ("skip: symbol_filtered", "symbol_filtered")
    assert (found.effect.entries_not_made, found.effect.exits_smaller) == (1, 1)
    assert (found.effect.profit, found.effect.changed_profit) == ({"USD": Decimal(-54)}, {"USD": Decimal(0)})


async def test_an_entry_that_was_skipped_is_bought_and_sold_at_the_masters_prices(bus: Bus) -> None:
    policy = a_policy("alice", limits=LimitPolicy(max_order_quote=Decimal("0.1")))
    sale = an_exit("two", price=replace(an_exit().price, amount=Decimal(61_000)))
    await decide(bus, [policy], [an_entry("one"), sale])
    found = await ask(bus, "limits.max_order_quote=")
    (row,) = rows_of(found)
    assert (row.recorded, row.would_be) == ("skip: max_order", "copy 0.05 BTC")
    assert found.effect.entries_added == 1
    bought, sold = Decimal("0.05") * 60_000 * Decimal("1.004"), Decimal("0.05") * 61_000 * Decimal("0.996")
    assert (found.effect.profit, found.effect.changed_profit) == ({"USD": Decimal(0)}, {"USD": sold - bought})


async def test_the_users_own_exits_sell_the_same_share_of_what_would_be_held(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one")])
    await fill(bus, "alice", 0, "0.05", "60000")
    await own_sale(bus, "0.025", "62000", NOW + 600)
    effect = (await ask(bus, "sizing.multiplier=0.5")).effect
    assert (effect.entries_smaller, effect.exits_smaller) == (1, 1)
    # Half is sold at 62,000, and the rest is worth as much: 0.05 x 2,000 less a fee of 2.
    assert (effect.profit, effect.changed_profit) == ({"USD": Decimal(98)}, {"USD": Decimal(49)})


async def test_what_was_held_before_the_period_counts_on_neither_side(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_exit("two")])
    await fill(bus, "alice", 0, "0.05", "60000")
    await fill(bus, "alice", 1, "0.15", "61000", NOW + 900)  # 0.1 of it was bought long ago
    effect = (await ask(bus, "sizing.multiplier=0.5")).effect
    kept = Decimal("0.05") * 61_000 - Decimal(2) / 3  # a third of the sale, with a third of its fee
    assert effect.profit["USD"].quantize(Decimal("0.0001")) == (kept - 3_002).quantize(Decimal("0.0001"))
    assert effect.changed_profit["USD"].quantize(Decimal("0.0001")) == ((kept - 3_002) / 2).quantize(Decimal("0.0001"))


async def test_a_trade_of_which_nothing_was_judged_is_on_both_sides(bus: Bus) -> None:
    await decide(bus, [a_policy("alice")], [an_entry("one"), an_entry("two")])
    await fill(bus, "alice", 0, "0.05", "60000")
    await fill(bus, "alice", 1, "0.05", "60000", NOW + 700)
    (_, _), (second, _) = await decided(bus, "alice")
    await bus.do("XDEL", keys.SIGNALS, second)
    found = await ask(bus, "symbols.exclude=BTC/USD")
    assert (found.repeated, found.effect.entries_not_made) == (1, 1)
    assert (found.effect.profit, found.effect.changed_profit) == ({"USD": Decimal(-4)}, {"USD": Decimal(-2)})
