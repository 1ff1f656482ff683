"""An exit that follows a master of another venue: the master's price bounds its first try, and keeps nothing from being sold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.order import Copy, Decision, OrderState
from shared.domain.values.money import ONE, Price
from tests.integration.executor.rig import Owner, Rig
from tests.support.examples import btc_price


def bounded(rig: Rig, least: Price | None) -> Decision:
    """Decide to copy a close of all that is held, with the bound of the master's price."""
    return replace(rig.close(), copy=Copy(None, ONE, least, None))


@pytest.mark.parametrize(
    ("least", "limits"),
    [
        pytest.param("59000", ["59000"], id="the master's bound is stricter, and the price here fulfils it"),
        pytest.param("50000", ["58800"], id="the bound by the price here is stricter"),
        pytest.param("61000", ["61000", None], id="the price here is below it: the market follows at once"),
    ],
)
async def test_the_masters_price_bounds_the_first_try(
    rig: Rig, owner: Owner, least: str, limits: list[str | None]
) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    report = await rig.carry(owner, bounded(rig, btc_price(least)))
    sent = [order.limit_price for order in owner.venue.sent[1:]]
    assert sent == [None if limit is None else btc_price(limit) for limit in limits]
    assert (report.outcome, await rig.position()) == (OrderState.FILLED, None)


async def test_an_exit_that_had_to_wait_is_bounded_by_the_price_here_alone(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    decision = bounded(rig, btc_price("61000"))
    rig.clock.now += 31_000
    report = await rig.carry(owner, decision)
    assert [order.limit_price for order in owner.venue.sent[1:]] == [btc_price("58800")]
    assert report.outcome is OrderState.FILLED
