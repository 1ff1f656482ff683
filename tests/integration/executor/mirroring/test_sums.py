"""The sums of a mirrored order's parts agree with the position while it rests, and with its report when it has ended."""

from __future__ import annotations

from decimal import Decimal

from services.executor.account.performance.sums_builder import SumsBuilder
from shared.ledger.performance.check import check_sums
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import SymbolResult
from tests.integration.executor.mirroring.mirror_rig import MirrorRig
from tests.integration.executor.rig import USER, Owner

START = Decimal(10_000)


async def _result(mirrored: MirrorRig) -> SymbolResult:
    (found,) = await read_results(mirrored.bus, [USER])
    (each,) = found.symbols
    return each


async def test_parts_of_a_resting_order_are_summed_as_they_are_booked(mirrored: MirrorRig, owner: Owner) -> None:
    await SumsBuilder(mirrored.bus, owner.context).round()
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        for part, held in (("0.02", "0.02"), ("0.01", "0.03")):
            mirrored.fill(part)
            await mirrored.amend(limit=f"5{9 if held == '0.02' else 8}000", filled="0.06")
            await mirrored.held(held)
            each = await _result(mirrored)
            assert each.totals.cash_flow.amount == mirrored.rig.account.balances["USD"] - START
            assert [amount.amount for amount in each.adjusted] == [0, 0]
            assert each.totals.trades == 0, "one order, which has not ended"
            await mirrored.resting()
        await mirrored.end(filled="0.06")
        await mirrored.outcome()
    each = await _result(mirrored)
    assert each.totals.trades == 1
    found = await check_sums(mirrored.bus, USER, "kraken")
    assert (found.unchecked, found.differences) == ("", ())
