"""A venue credits a fill with fewer digits than it reports it with: the crumb is written off, and nothing waits. Case G2."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from shared.domain.order import OrderState
from shared.venues.errors import Unavailable
from tests.integration.executor.rig import Owner, Rig, until

CRUMB = Decimal("0.00000001")


async def test_an_account_credited_a_crumb_less_sells_at_once(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    rig.account.move("BTC", -CRUMB)
    started = asyncio.get_running_loop().time()
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.04999999"))
    assert "0.00000001 BTC is written off: the venue credited less than it had filled" in report.reason
    assert "owner" not in report.reason
    assert await rig.position() is None
    assert rig.account.balances["BTC"] == 0
    assert len(owner.venue.sent) == 3  # the purchase, the sale that was refused, the sale
    # One pause of half a second lies in between; five refusals take half a minute.
    assert asyncio.get_running_loop().time() - started < 15


async def test_a_crumb_for_every_purchase_is_written_off_too(rig: Rig, owner: Owner) -> None:
    for _ in range(3):
        await rig.carry(owner, rig.entry("0.01"))
        rig.account.move("BTC", -CRUMB)
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, report.filled_size, await rig.position()) == (
        OrderState.FILLED,
        Decimal("0.02999997"),
        None,
    )


async def test_a_close_of_a_part_leaves_what_the_account_has(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    rig.account.move("BTC", -CRUMB)
    assert (await rig.carry(owner, rig.close("0.5"))).filled_size == Decimal("0.025")
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, report.filled_size, await rig.position()) == (
        OrderState.FILLED,
        Decimal("0.02499999"),
        None,
    )


async def test_a_balance_that_lags_is_no_crumb(rig: Rig, owner: Owner) -> None:
    """`balance_lags_fill`: the second purchase is not in the balance yet; the exit waits for it and sells everything."""
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, rig.entry("0.001"))
    rig.account.move("BTC", -Decimal("0.001"))
    task = await rig.begin(owner, rig.close())

    async def refused() -> bool:
        return len(owner.venue.sent) == 3

    await until(refused, "the venue refuses the whole")
    rig.account.move("BTC", Decimal("0.001"))
    async with asyncio.timeout(20):
        await task
    report = (await rig.reports())[-1]
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.051"))
    assert "written off" not in report.reason


async def test_a_crumb_that_cannot_be_seen_just_now_is_looked_for_again(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    rig.account.move("BTC", -CRUMB)
    owner.venue.fail("balances", Unavailable("no answer"), times=1)
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.04999999"))
    assert await rig.position() is None
