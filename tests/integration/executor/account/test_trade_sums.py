"""The sums of what an account has traded, through the real executor and a real Redis: they equal the account's own balances."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.executor.account.performance.sums_builder import SumsBuilder
from shared.contracts import keys
from shared.contracts.trade_totals import CONTENTS, read_totals
from shared.domain.fault import FaultKind
from shared.domain.trade_totals import TradeTotals
from shared.ledger.performance.check import check_sums
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import AccountResult
from shared.ledger.performance.trades import latest_trades
from tests.integration.executor.rig import USER, Owner, Rig
from tests.support.examples import BTC_USD

START = Decimal(10_000)
TOTALS = keys.totals(USER, "kraken")


async def _result(rig: Rig) -> AccountResult:
    (found,) = await read_results(rig.bus, [USER])
    return found


async def _check_balances(rig: Rig) -> None:
    """Whatever was traded, the sums explain the account's balances to the last digit."""
    (each,) = (await _result(rig)).symbols
    assert each.totals.cash_flow.amount == rig.account.balances["USD"] - START
    assert each.held.size.amount == rig.account.balances.get("BTC", Decimal(0))
    size, cost = each.adjusted
    assert [size.amount, cost.amount] == [0, 0]


@pytest.mark.parametrize("in_base", [False, True])
async def test_sums_equal_the_balances_after_purchases_and_sales(rig: Rig, owner: Owner, in_base: bool) -> None:
    rig.account.fee_in_base = in_base
    await rig.carry(owner, rig.entry("0.05"))
    await _check_balances(rig)
    rig.market.prices[BTC_USD] = Decimal("61234.5")
    await rig.carry(owner, rig.entry("0.0123", limit="62000"))
    await _check_balances(rig)
    rig.account.fee_in_base = False
    await rig.carry(owner, rig.close("0.37"))
    await _check_balances(rig)
    (each,) = (await _result(rig)).symbols
    assert each.totals.trades == 3
    assert (each.totals.base_fees > 0) == in_base
    assert each.realized.amount != 0


async def test_a_fee_in_base_costs_no_money(rig: Rig, owner: Owner) -> None:
    rig.account.fee_in_base = True
    await rig.carry(owner, rig.entry("0.05"))
    (each,) = (await _result(rig)).symbols
    assert each.held.cost.amount == START - rig.account.balances["USD"]
    (trade,) = (await latest_trades(rig.bus, [USER], 10))[USER]
    assert (trade.base_fee.amount, trade.fee.amount) == (Decimal("0.0002"), Decimal(0))
    assert trade.exact
    assert trade.paid.amount == each.held.cost.amount


async def test_an_order_that_filled_nothing_changes_no_sum(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.1", limit="59000"))
    assert await rig.bus.do("EXISTS", TOTALS) == 0


async def test_sums_that_cannot_be_read_hold_up_no_order_and_are_reported(rig: Rig, owner: Owner) -> None:
    await rig.bus.do("HSET", TOTALS, "BTC/USD", "{damaged")
    report = await rig.carry(owner, rig.entry("0.05"))
    assert report.filled_size == Decimal("0.05")
    assert await rig.bus.do("HGET", TOTALS, "BTC/USD") == "{damaged", "left for a person to look at"
    assert any(fault.kind is FaultKind.RECORD and "sums" in fault.subject for fault in rig.faults.standing)
    assert "sums of BTC/USD" in (await _result(rig)).unreadable


async def test_a_key_of_another_type_holds_up_no_order(rig: Rig, owner: Owner) -> None:
    await rig.bus.do("SET", TOTALS, "no hash")
    await rig.carry(owner, rig.entry("0.05"))
    position = await rig.position()
    assert position is not None
    assert position.size.amount == Decimal("0.05")


async def test_missing_sums_are_summed_up_from_the_reports(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, rig.close("0.4"))
    before = await rig.bus.do("HGET", TOTALS, "BTC/USD")
    await rig.bus.do("DEL", TOTALS)
    await SumsBuilder(rig.bus, owner.context).round()
    after = read_totals(await rig.bus.do("HGET", TOTALS, "BTC/USD"))
    assert _amounts(after) == _amounts(read_totals(before))
    assert await rig.bus.do("HGET", TOTALS, CONTENTS) == "0"
    await rig.carry(owner, rig.entry("0.02"))
    await _check_balances(rig)
    found = await check_sums(rig.bus, USER, "kraken")
    assert (found.unchecked, found.differences, found.trades) == ("", (), 3)


async def test_sums_that_exist_are_not_summed_up_again(rig: Rig, owner: Owner) -> None:
    await SumsBuilder(rig.bus, owner.context).round()
    await rig.carry(owner, rig.entry("0.05"))
    before = await rig.bus.do("HGET", TOTALS, "BTC/USD")
    await rig.bus.do("DEL", keys.reports(USER))
    await SumsBuilder(rig.bus, owner.context).round()
    assert await rig.bus.do("HGET", TOTALS, "BTC/USD") == before


async def test_a_wrong_sum_is_found(rig: Rig, owner: Owner) -> None:
    await SumsBuilder(rig.bus, owner.context).round()
    await rig.carry(owner, rig.entry("0.05"))
    written = str(await rig.bus.do("HGET", TOTALS, "BTC/USD"))
    await rig.bus.do("HSET", TOTALS, "BTC/USD", written.replace('"bought": "0.05"', '"bought": "0.06"'))
    found = await check_sums(rig.bus, USER, "kraken")
    assert found.differences == ("BTC/USD: bought is 0.06, the reports say 0.05",)


async def test_sums_are_not_compared_with_reports_that_were_removed(rig: Rig, owner: Owner) -> None:
    await SumsBuilder(rig.bus, owner.context).round()
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, rig.close("0.4"))
    await rig.bus.do("XTRIM", keys.reports(USER), "MAXLEN", 1)
    found = await check_sums(rig.bus, USER, "kraken")
    assert found.differences == ()
    assert "removed" in found.unchecked


async def test_a_position_that_was_corrected_is_explained_as_such(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await owner.context.positions.correct(BTC_USD, lambda held: held and held.sold(held.size.scaled(Decimal("0.5")), 1))
    (each,) = (await _result(rig)).symbols
    size, cost = each.adjusted
    assert size.amount == Decimal("-0.025")
    assert cost.amount == -each.held.cost.amount
    assert each.realized.amount == 0


def _amounts(sums: TradeTotals) -> list[Decimal]:
    names = ("bought", "spent", "buy_fees", "sold", "received", "sell_fees", "base_fees", "sold_cost")
    return [Decimal(sums.trades), *(getattr(sums, name) for name in names)]
