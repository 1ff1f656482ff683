"""What an operator confirmed, carried out by the executor: the positions that were named are sold; a stop-out ends early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.stop_out_lift import lift_field
from shared.domain.limits.policy import ExitPolicy, LimitPolicy, UserPolicy
from shared.domain.limits.risk_state import RiskState
from shared.domain.position import Position
from shared.operations.actions.port import Ground
from shared.operations.desk import ActionDesk
from shared.operations.request import Action, ActionRequest
from tests.integration.executor.protection.test_guardian import guarding
from tests.integration.executor.rig import USER, Owner, Rig
from tests.support.examples import BTC_USD, a_policy, btc, btc_price, usd

OPERATOR = "olga"


def desk(rig: Rig) -> ActionDesk:
    async def users() -> Mapping[str, UserPolicy | None]:
        return {USER: a_policy(USER)}

    return ActionDesk(Ground(rig.bus, Path("config"), users, rig.clock))


async def confirm(rig: Rig, request: ActionRequest) -> Mapping[str, Decimal]:
    """Confirm what an action is said to do; return its figures."""
    shown = await desk(rig).preview(request, OPERATOR)
    await desk(rig).confirm(request, shown.token, OPERATOR, "test")
    return shown.consequence.figures


async def hold(rig: Rig, size: str, cost: str) -> None:
    now = rig.clock.now
    await Records(rig.bus).write_position(USER, "kraken", Position(BTC_USD, btc(size), usd(cost), now, now))
    rig.account.move("BTC", Decimal(size))


async def price(rig: Rig, amount: str) -> None:
    rig.market.prices[BTC_USD] = Decimal(amount)
    await Records(rig.bus).write_prices("kraken", [btc_price(amount)], rig.clock.now)


async def watched(rig: Rig, owner: Owner) -> None:
    """Read the account and look after the positions once, as the executor does all the time."""
    await owner.context.account.read()
    async with guarding(rig, owner) as guardian:
        await guardian.look()


async def test_a_confirmed_flatten_sells_what_was_shown(rig: Rig, owner: Owner) -> None:
    await hold(rig, "0.05", "3000")
    await price(rig, "60000")
    await watched(rig, owner)
    assert await rig.reports() == []
    figures = await confirm(rig, ActionRequest(action=Action.FLATTEN, user=USER))
    await watched(rig, owner)
    (report,) = await rig.reports()
    assert report.filled_size == Decimal("0.05")
    assert report.average_price is not None
    assert (figures["positions"], figures["value USD"]) == (Decimal(1), Decimal(3000))
    assert abs(report.filled_size * report.average_price - figures["value USD"]) <= figures["value USD"] / 100
    assert (await desk(rig).preview(ActionRequest(action=Action.FLATTEN, user=USER), OPERATOR)).consequence.figures[
        "positions"
    ] == 0


async def stopped(rig: Rig) -> RiskState:
    found = await Records(rig.bus).risk(USER, "kraken")
    assert found is not None
    return found


async def test_a_lifted_stop_out_ends_at_the_next_look_and_a_later_one_does_not(rig: Rig, owner: Owner) -> None:
    limits = LimitPolicy(daily_loss_pct=Decimal(5))
    owner.context.follow(replace(owner.context.policy, limits=limits, exits=ExitPolicy(stop_loss_pct=None)))
    await hold(rig, "0.05", "3000")
    await price(rig, "60000")
    await watched(rig, owner)
    await price(rig, "45000")  # 750 of 10,000 or so: more than 5 % lost
    await watched(rig, owner)
    first = await stopped(rig)
    assert "stopped out" in owner.context.risk.stopped(rig.clock.now)

    await rig.bus.do("HSET", keys.control(USER), lift_field("kraken"), str(first.stopped_until - 1))  # of another one
    await watched(rig, owner)
    assert "stopped out" in owner.context.risk.stopped(rig.clock.now)

    await confirm(rig, ActionRequest(action=Action.LIFT, user=USER))
    await watched(rig, owner)
    assert owner.context.risk.stopped(rig.clock.now) == ""
    assert (await stopped(rig)).stopped_until == 0
    await watched(rig, owner)
    assert owner.context.risk.stopped(rig.clock.now) == "", "the same loss does not stop again"

    rig.clock.now += 86_400_000
    await price(rig, "45000")
    await watched(rig, owner)
    await price(rig, "30000")
    await watched(rig, owner)
    assert (await stopped(rig)).stopped_until > first.stopped_until
    await watched(rig, owner)
    assert "stopped out" in owner.context.risk.stopped(rig.clock.now), "the old request ends no later stop-out"
