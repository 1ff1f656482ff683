"""Entries at stage `shadow`: the venue checks them, none is placed, none is booked, whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from services.executor.account.context_factory import LANE_PATIENCE_MS
from shared.contracts import keys
from shared.domain.limits.policy import LimitPolicy
from shared.domain.order import Decision, OrderState
from shared.domain.reason import ReasonCode
from shared.domain.stages.stage import Stage, StagePolicy
from shared.domain.values.instrument import PairStatus
from shared.runtime.crash_points import CrashPoint, CrashPoints
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.executor.rig import USER, Owner, Rig, crash, until
from tests.support.examples import BTC_USD

SHADOW = StagePolicy(start=Stage.SHADOW)


def shadow(rig: Rig, size: str = "0.05") -> Decision:
    """Decide at stage shadow."""
    entry = rig.entry(size)
    return replace(entry, copy=None, shadow=entry.copy, stage=Stage.SHADOW)


@pytest.fixture
async def watched(owner: Owner) -> Owner:
    owner.context.follow(replace(owner.context.policy, stage=SHADOW))
    return owner


async def nothing_was_placed(rig: Rig) -> None:
    assert rig.account.orders == []
    assert await rig.position() is None
    assert await rig.pending() == 0


async def test_what_the_venue_would_take_is_skipped_and_says_so(rig: Rig, watched: Owner) -> None:
    report = await rig.carry(watched, shadow(rig))
    assert (report.outcome, report.code) == (OrderState.SKIPPED, ReasonCode.SHADOW)
    assert report.filled_size == 0
    assert report.reason.startswith("stage shadow: kraken would take it (buy 0.05 BTC at up to 60300 USD; checked in")
    assert watched.venue.calls["validate"] == 1
    assert watched.venue.sent == []
    await nothing_was_placed(rig)


async def test_what_the_venue_would_refuse_is_skipped_in_its_words(rig: Rig, watched: Owner) -> None:
    watched.venue.fail("validate", Rejected("EOrder:Invalid price", Refusal.PRECISION))
    report = await rig.carry(watched, shadow(rig))
    assert (report.outcome, report.code) == (OrderState.SKIPPED, ReasonCode.SHADOW_REFUSED)
    assert report.reason.startswith("stage shadow: kraken would refuse it: EOrder:Invalid price (buy 0.05 BTC")
    await nothing_was_placed(rig)


async def test_a_halted_pair_is_found_by_the_check(rig: Rig, watched: Owner) -> None:
    instrument = rig.market.instruments[BTC_USD]
    rig.market.instruments[BTC_USD] = replace(instrument, status=PairStatus.CANCEL_ONLY)
    report = await rig.carry(watched, shadow(rig))
    assert report.code == ReasonCode.SHADOW_REFUSED
    assert "EService:Market in cancel_only mode" in report.reason


async def test_a_refused_key_parks_the_account_as_after_a_real_order(rig: Rig, watched: Owner) -> None:
    watched.venue.fail("validate", Rejected("EAPI:Invalid key", Refusal.AUTH))
    await rig.carry(watched, shadow(rig))
    assert not watched.context.account.ready
    await nothing_was_placed(rig)


async def test_a_venue_that_is_down_is_asked_again(rig: Rig, watched: Owner) -> None:
    watched.venue.fail("validate", Unavailable("down"), times=2)
    report = await rig.carry(watched, shadow(rig))
    assert report.code == ReasonCode.SHADOW
    assert watched.venue.calls["validate"] == 3
    await nothing_was_placed(rig)


async def test_an_entry_that_is_too_old_expires_without_a_check(rig: Rig, watched: Owner) -> None:
    decision = shadow(rig)
    rig.clock.now += 60_000
    report = await rig.carry(watched, decision)
    assert (report.outcome, report.code) == (OrderState.EXPIRED, ReasonCode.STALE)
    assert watched.venue.calls["validate"] == 0


async def test_a_kill_switch_stops_the_check_too(rig: Rig, watched: Owner) -> None:
    await rig.switch("pause")
    report = await rig.carry(watched, shadow(rig))
    assert report.code == ReasonCode.KILL_SWITCH
    assert watched.venue.calls["validate"] == 0


async def test_the_limits_cut_what_is_checked(rig: Rig, watched: Owner) -> None:
    limits = LimitPolicy(max_order_quote=Decimal(1206))
    watched.context.follow(replace(watched.context.policy, limits=limits))
    report = await rig.carry(watched, shadow(rig))
    assert "(buy 0.02 BTC at up to 60300 USD (cut from 0.05 to 0.02 by limits.max_order_quote 1,206);" in report.reason


async def test_an_exit_sells_nothing_because_nothing_is_held(rig: Rig, watched: Owner) -> None:
    await rig.carry(watched, shadow(rig))
    report = await rig.carry(watched, rig.close())
    assert (report.outcome, report.code) == (OrderState.SKIPPED, ReasonCode.NOTHING_HELD)
    await nothing_was_placed(rig)


async def test_an_exit_of_what_was_bought_before_the_stage_is_real_and_whole(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry())
    owner.context.follow(replace(owner.context.policy, stage=SHADOW))
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.05"))
    assert await rig.position() is None


@pytest.mark.parametrize(
    "point",
    [
        CrashPoint.EXECUTOR_AFTER_READ,
        CrashPoint.EXECUTOR_AFTER_WRITE_AHEAD,
        CrashPoint.EXECUTOR_AFTER_REPLY,
        CrashPoint.EXECUTOR_BEFORE_ACK,
    ],
)
async def test_a_crash_at_any_point_leaves_one_outcome_and_no_order(rig: Rig, point: CrashPoint) -> None:
    class Crash(CrashPoints):
        def hit(self, reached: CrashPoint) -> None:
            if reached is point and not passed:
                passed.append(reached)
                raise asyncio.CancelledError

    passed: list[CrashPoint] = []
    rig.crash_points = Crash()
    first = await rig.start()
    first.context.follow(replace(first.context.policy, stage=SHADOW))
    decision = shadow(rig)
    task = await rig.begin(first, decision)
    await asyncio.gather(task, return_exceptions=True)
    assert passed == [point]
    assert await rig.reports() == []
    second = await rig.start()
    second.context.follow(replace(second.context.policy, stage=SHADOW))
    ((entry_id, *_),) = await rig.bus.do("XRANGE", keys.orders(USER), "-", "+")
    await second.dispatcher.run(decision, str(entry_id), redelivered=True)
    (report,) = await rig.reports()
    assert report.code == ReasonCode.SHADOW
    await nothing_was_placed(rig)


async def test_a_turn_that_ends_during_the_check_leaves_nothing_behind(rig: Rig, watched: Owner) -> None:
    gate = watched.venue.hold("validate")
    task = await rig.begin(watched, shadow(rig))

    async def asked() -> bool:
        return watched.venue.calls["validate"] == 1

    await until(asked, "the venue is asked")
    await crash(task)
    gate.set()
    assert rig.account.orders == []
    assert await rig.reports() == []


@pytest.fixture
async def timed(rig: Rig) -> tuple[Rig, Owner]:
    """A rig whose time only passes by waiting, since a proof of absence takes a while."""
    steps = SteppedTime()
    quick = Rig(rig.bus, clock=steps, steady=lambda: steps.steady, sleep=steps.sleep)
    owner = await quick.start()
    owner.context.follow(replace(owner.context.policy, stage=SHADOW))
    return quick, owner


async def test_an_order_that_the_venue_takes_all_the_same_is_found_and_booked(timed: tuple[Rig, Owner]) -> None:
    """What was bought must have its exits, even if no order was asked for."""
    rig, owner = timed
    answer = OutcomeUnknown("Kraken answered a check with the order O1")
    owner.venue.fail("validate", answer, after_accept=True)
    report = await rig.carry(owner, shadow(rig))
    assert (report.outcome, report.code, report.filled_size) == (
        OrderState.FILLED,
        ReasonCode.RECALLED,
        Decimal("0.05"),
    )
    position = await rig.position()
    assert position is not None
    assert position.size.amount == Decimal("0.05")


async def test_a_doubtful_answer_without_an_order_is_a_refusal(timed: tuple[Rig, Owner]) -> None:
    rig, owner = timed
    owner.venue.fail("validate", OutcomeUnknown("Kraken answered a check with the order O1"))
    began = rig.clock.now
    report = await rig.carry(owner, shadow(rig))
    assert (report.outcome, report.code) == (OrderState.SKIPPED, ReasonCode.SHADOW_REFUSED)
    assert report.reason.endswith("the venue has no such order")
    assert rig.clock.now - began > LANE_PATIENCE_MS  # after its deadline: earlier an empty list proves nothing
    await nothing_was_placed(rig)


@pytest.mark.parametrize(
    ("file", "stage", "code"),
    [
        (StagePolicy(start=Stage.SHADOW), "", ReasonCode.STAGE_CHANGED),
        (StagePolicy(start=Stage.SHADOW), Stage.CANARY, ReasonCode.STAGE_CHANGED),
        (StagePolicy(start=Stage.CANARY), "", ReasonCode.STAGE_CHANGED),
        (StagePolicy(start=Stage.SHADOW, max=Stage.CANARY, auto=True), Stage.QUARTER, ReasonCode.STAGE_CHANGED),
        (StagePolicy(), "0.5", ReasonCode.STAGE_CHANGED),
        (StagePolicy(start=Stage.SHADOW, max=Stage.CANARY, auto=True), Stage.CANARY, ""),
        (StagePolicy(start=Stage.QUARTER), Stage.CANARY, ""),
        (StagePolicy(start=Stage.PAPER), "", ""),
        (StagePolicy(), "", ""),
    ],
)
async def test_no_entry_is_placed_above_what_the_file_allows_now(
    rig: Rig, owner: Owner, file: StagePolicy, stage: str, code: str
) -> None:
    """The engine may be of another version, or have decided before the file was saved."""
    owner.context.follow(replace(owner.context.policy, stage=file))
    report = await rig.carry(owner, replace(rig.entry(), stage=stage))
    assert report.code == code
    assert len(owner.venue.sent) == (not code)


async def test_an_entry_is_not_scaled_a_second_time(rig: Rig, owner: Owner) -> None:
    owner.context.follow(replace(owner.context.policy, stage=StagePolicy(start=Stage.CANARY)))
    report = await rig.carry(owner, replace(rig.entry("0.0025"), stage=Stage.CANARY))
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.0025"))
    closed = await rig.carry(owner, rig.close())
    assert closed.filled_size == Decimal("0.0025")  # exits are a share of what is held, at every stage


async def test_the_limits_are_scaled_by_the_stage_of_the_decision(rig: Rig, owner: Owner) -> None:
    policy = replace(owner.context.policy, limits=LimitPolicy(max_order_quote=Decimal(6030)))
    owner.context.follow(replace(policy, stage=StagePolicy(start=Stage.CANARY)))
    report = await rig.carry(owner, replace(rig.entry("0.01"), stage=Stage.CANARY))
    assert report.filled_size == Decimal("0.005")  # 5 % of 6,030 USD at 60,300
