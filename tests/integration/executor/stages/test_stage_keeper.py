"""The executor counts a user's reports once each, moves by one step, and records state and step together."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from services.executor.stages.stage_keeper import StageKeeper
from shared.bus.errors import LeaseLost
from shared.bus.flow.streams import flatten, read_entries
from shared.bus.state.records import pairs
from shared.bus.state.stages import StageStore
from shared.contracts import keys
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.contracts.stage import read_stage, write_stage
from shared.domain.limits.policy import FileState
from shared.domain.order import Copy, Decision, Kind, OrderState, Side, order_id, report_id
from shared.domain.reason import ReasonCode
from shared.domain.stages.ladder import LadderState
from shared.domain.stages.stage import Stage, StagePolicy
from shared.ledger.stages.evidence import GRACE_MS, StageEvidence
from shared.ledger.stages.rows import read_stages, read_steps
from tests.integration.executor.rig import USER, Owner, Rig
from tests.support.examples import BTC_USD, a_policy, an_entry, btc, btc_price, usd
from tests.support.leases import take_over

AUTO = StagePolicy(start=Stage.SHADOW, auto=True, trades=2, faults=2, max_tracking_bps=Decimal(10))


class Ladder:
    """A user whose trades the test plays, and the keeper that counts them."""

    def __init__(self, rig: Rig, owner: Owner) -> None:
        self.rig = rig
        self.policy = a_policy(USER, stage=AUTO)
        self.keeper = self.start(owner)

    def start(self, owner: Owner) -> StageKeeper:
        """A keeper of another turn."""
        evidence = StageEvidence(self.rig.bus, USER, ["kraken"])
        store = StageStore(self.rig.bus, owner.lease)
        self.keeper = StageKeeper(store, evidence, owner.context.faults, self.rig.clock)
        return self.keeper

    async def round(self) -> LadderState:
        """Let the keeper look once; answers what it recorded."""
        self.rig.clock.now += 10
        await self.keeper.round(self.policy)
        state = await self.recorded()
        assert state is not None
        return state

    async def recorded(self) -> LadderState | None:
        return read_stage(pairs(await self.rig.bus.do("HGETALL", keys.stage(USER))))

    async def steps(self) -> list[tuple[str, str, str]]:
        return [(each.before, each.after, each.by) for each in reversed(await read_steps(self.rig.bus, [USER], 20))]

    async def trade(
        self,
        outcome: OrderState = OrderState.FILLED,
        *,
        code: str = "",
        price: str = "60000",
        stage: str = Stage.CANARY,
        decided: bool = True,
        reported: bool = True,
    ) -> Decision:
        """Write signal, decision, record and report of one trade; the master paid 60,000."""
        rig = self.rig
        rig.clock.now += 10
        now, entry_id = rig.clock.now, f"{rig.clock.now}-0"
        signal = an_entry(str(uuid4()), filled_at=now, emitted_at=now)
        await rig.bus.do("XADD", keys.SIGNALS, entry_id, *flatten(SignalMessage.from_domain(signal).fields()))
        terms = Copy(btc("0.05"), None, btc_price("60300"), now + 30_000)
        decision = Decision(
            id=order_id(signal.id, USER, "kraken"),
            signal_id=signal.id,
            user=USER,
            venue="kraken",
            symbol=BTC_USD,
            side=Side.BUY,
            kind=Kind.ENTRY,
            copy=terms,
            reason="scaled",
            master_equity=usd(10_000),
            user_equity=usd(5_000),
            signal_at=now,
            emitted_at=now,
            stage=stage,
        )
        if decided:
            fields = OrderMessage.from_domain(decision).fields()
            await rig.bus.do("XADD", keys.orders(USER), entry_id, *flatten(fields))
        await rig.bus.do("HSET", keys.order(USER, decision.id), "entry_id", entry_id)
        if reported:
            filled = outcome in {OrderState.FILLED, OrderState.PARTIAL}
            report = ReportMessage.of(
                id=report_id(decision.id),
                order_id=decision.id,
                signal_id=signal.id,
                user=USER,
                venue="kraken",
                symbol=BTC_USD,
                side=Side.BUY,
                kind=Kind.ENTRY,
                outcome=outcome,
                code=code,
                filled_size=Decimal("0.05") if filled else Decimal(0),
                average_price=Decimal(price) if filled else None,
                signal_at=now,
                settled_at=now + 1,
            )
            await rig.bus.do("XADD", keys.reports(USER), entry_id, *flatten(report.fields()))
        return decision

    async def check(self, code: str = ReasonCode.SHADOW) -> None:
        """Play an entry that the venue has checked."""
        await self.trade(OrderState.SKIPPED, code=code)


@pytest.fixture
async def ladder(rig: Rig, owner: Owner) -> Ladder:
    await rig.bus.do("HSET", keys.following(USER), "from", "0-0")
    return Ladder(rig, owner)


async def at(ladder: Ladder, stage: Stage) -> None:
    """Put the user at a stage."""
    state = await ladder.round()
    state = replace(state, stage=stage, since=ladder.rig.clock.now)
    await ladder.rig.bus.do("HSET", keys.stage(USER), *flatten(write_stage(state)))


async def test_clean_checks_climb_and_clean_trades_climb_on(ladder: Ladder) -> None:
    assert (await ladder.round()).stage is Stage.SHADOW
    await ladder.check()
    assert (await ladder.round()).clean == 1
    await ladder.check()
    assert (await ladder.round()).stage is Stage.CANARY
    for _ in range(2):
        await ladder.trade()
    assert (await ladder.round()).stage is Stage.QUARTER
    assert await ladder.steps() == [("shadow", "0.05", "ladder"), ("0.05", "0.25", "ladder")]


async def test_each_report_counts_once_however_often_it_is_looked_at_and_by_whom(ladder: Ladder) -> None:
    await ladder.round()
    await ladder.check()
    for _ in range(3):
        assert (await ladder.round()).clean == 1
    ladder.start(await ladder.rig.start())  # another process goes on where this one stopped
    for _ in range(3):
        state = await ladder.round()
        assert (state.clean, state.stage) == (1, Stage.SHADOW)


async def test_reports_of_before_do_not_count(ladder: Ladder) -> None:
    for _ in range(5):
        await ladder.check()
        await ladder.trade(OrderState.FAILED)
    state = await ladder.round()
    assert (state.clean, state.faults, state.stage) == (0, (), Stage.SHADOW)


@pytest.mark.parametrize("outcome", [OrderState.REJECTED, OrderState.FAILED])
async def test_a_burst_of_faults_steps_back(ladder: Ladder, outcome: OrderState) -> None:
    await at(ladder, Stage.QUARTER)
    await ladder.trade(outcome)
    assert (await ladder.round()).stage is Stage.QUARTER
    await ladder.trade(outcome)
    state = await ladder.round()
    assert (state.stage, state.faults, state.clean) == (Stage.CANARY, (), 0)
    assert (await ladder.steps())[-1] == ("0.25", "0.05", "ladder")


async def test_orders_that_would_be_refused_keep_a_user_at_shadow(ladder: Ladder) -> None:
    await ladder.round()
    for _ in range(4):
        await ladder.check()
        await ladder.check(ReasonCode.SHADOW_REFUSED)
    state = await ladder.round()
    assert (state.stage, state.clean) == (Stage.SHADOW, 0)
    assert await ladder.steps() == []


@pytest.mark.parametrize("outcome", [OrderState.EXPIRED, OrderState.SKIPPED])
async def test_what_was_not_traded_is_neither_clean_nor_a_fault(ladder: Ladder, outcome: OrderState) -> None:
    await at(ladder, Stage.CANARY)
    for _ in range(3):
        await ladder.trade(outcome, code=ReasonCode.STALE)
    state = await ladder.round()
    assert (state.stage, state.clean, state.faults) == (Stage.CANARY, 0, ())


@pytest.mark.parametrize("stage", ["", Stage.QUARTER, "a word of another version"])
async def test_an_entry_that_was_decided_at_another_stage_does_not_count(ladder: Ladder, stage: str) -> None:
    await at(ladder, Stage.CANARY)
    ladder.rig.clock.now -= 1_000  # dated before the step, in the last case of a stage that is not known
    for _ in range(3):
        await ladder.trade(stage=stage)
    assert (await ladder.round()).clean == 0


async def test_prices_far_from_the_masters_hold_a_climb_back(ladder: Ladder) -> None:
    await at(ladder, Stage.CANARY)
    await ladder.trade(price="60090")  # 15 bps above
    await ladder.trade(price="59952")  # 8 bps below: a distance as well
    state = await ladder.round()
    assert (state.stage, state.clean) == (Stage.CANARY, 0)
    assert state.held_back.startswith("2 clean trades, but 11.5 bps from the master's prices on average")
    for _ in range(2):
        await ladder.trade(price="60030")
    assert (await ladder.round()).stage is Stage.QUARTER


async def test_an_unknown_order_is_one_fault_and_holds_a_climb_back_while_it_stands(ladder: Ladder) -> None:
    await at(ladder, Stage.CANARY)
    decision = replace(ladder.rig.entry(), id=str(uuid4()))
    entry_id = await ladder.rig.hand_out(decision)
    await ladder.rig.bus.do("HSET", keys.order(USER, decision.id), "state", "unknown", "sent_at", ladder.rig.clock.now)
    for _ in range(3):
        state = await ladder.round()
        assert (len(state.faults), state.standing) == (1, frozenset({f"unknown order {decision.id}"}))
    for _ in range(2):
        await ladder.trade()
    state = await ladder.round()
    assert (state.stage, state.held_back) == (Stage.CANARY, f"2 clean trades, but unknown order {decision.id}")
    await ladder.rig.bus.do("XACK", keys.orders(USER), keys.EXECUTOR, entry_id)
    for _ in range(2):
        await ladder.trade()
    assert (await ladder.round()).stage is Stage.QUARTER


async def test_drift_and_a_dead_letter_hold_a_climb_back(ladder: Ladder) -> None:
    await ladder.round()
    await ladder.rig.bus.do("HSET", keys.differences(USER, "kraken"), "BTC/USD", "less than recorded")
    await ladder.rig.bus.do("XADD", keys.dead(keys.orders(USER)), "*", "entry_id", "1-0")
    state = await ladder.round()
    assert state.standing == frozenset({"position of BTC/USD at kraken differs", "dead letters"})
    assert state.held_back == "2 faults within 60 min; there is no lower step"


async def test_a_decision_without_an_outcome_fails_the_audit(ladder: Ladder) -> None:
    await at(ladder, Stage.CANARY)
    lost = await ladder.trade(reported=False)
    ladder.rig.clock.now += GRACE_MS + 1_000
    for _ in range(2):
        await ladder.trade()
    state = await ladder.round()
    assert state.stage is Stage.CANARY
    assert state.held_back == f"2 clean trades, but the audit found: missing outcome {lost.id}"


async def test_a_signal_without_a_decision_fails_the_audit(ladder: Ladder) -> None:
    await at(ladder, Stage.CANARY)
    await ladder.trade(decided=False, reported=False)
    ladder.rig.clock.now += GRACE_MS + 1_000
    for _ in range(2):
        await ladder.trade()
    state = await ladder.round()
    assert "the audit found: missing decision" in state.held_back


async def test_what_the_audit_found_before_the_step_is_not_found_again(ladder: Ladder) -> None:
    await ladder.trade(reported=False)
    ladder.rig.clock.now += GRACE_MS + 1_000
    await at(ladder, Stage.CANARY)
    for _ in range(2):
        await ladder.trade()
    ladder.rig.clock.now += GRACE_MS + 1_000
    assert (await ladder.round()).stage is Stage.QUARTER


async def test_a_process_that_lost_the_lease_moves_nobody(ladder: Ladder) -> None:
    await ladder.round()
    for _ in range(2):
        await ladder.check()
    before = await ladder.recorded()
    await take_over(ladder.rig.bus, USER, "another")
    with pytest.raises(LeaseLost):
        await ladder.round()
    assert await ladder.recorded() == before
    assert await ladder.steps() == []


async def test_a_record_that_cannot_be_read_is_left_and_reported(ladder: Ladder) -> None:
    await at(ladder, Stage.CANARY)
    await ladder.rig.bus.do("HSET", keys.stage(USER), "stage", "0.5")
    await ladder.keeper.round(ladder.policy)
    assert await ladder.rig.bus.do("HGET", keys.stage(USER), "stage") == "0.5"
    assert [fault.subject for fault in ladder.rig.faults.standing] == ["alice (kraken) stage"]
    await ladder.rig.bus.do("HSET", keys.stage(USER), "stage", "0.05")
    await ladder.round()
    assert list(ladder.rig.faults.standing) == []


async def test_without_auto_the_record_is_closed_and_a_later_auto_begins_at_the_start(ladder: Ladder) -> None:
    await at(ladder, Stage.QUARTER)
    ladder.policy = replace(ladder.policy, stage=StagePolicy(start=Stage.SHADOW))
    assert (await ladder.round()).stage is Stage.SHADOW
    assert (await ladder.steps())[-1] == ("0.25", "shadow", "file")
    ladder.policy = replace(ladder.policy, stage=AUTO)
    assert (await ladder.round()).stage is Stage.SHADOW


@pytest.mark.parametrize("changes", [{"enabled": False}, {"file": FileState.GONE, "fault": "the file is gone"}])
async def test_a_user_who_follows_no_more_begins_again_at_the_start(ladder: Ladder, changes: dict[str, Any]) -> None:
    """The next account under this name may be somebody else's."""
    await at(ladder, Stage.QUARTER)
    follows = ladder.policy
    ladder.policy = replace(follows, **changes)
    assert (await ladder.round()).stage is Stage.SHADOW
    assert (await ladder.steps())[-1] == ("0.25", "shadow", "file")
    ladder.policy = follows
    assert (await ladder.round()).stage is Stage.SHADOW


async def test_a_bad_file_changes_no_stage(ladder: Ladder) -> None:
    await at(ladder, Stage.QUARTER)
    ladder.policy = a_policy(USER, file=FileState.BAD, fault="alice.toml: not valid TOML")
    assert (await ladder.round()).stage is Stage.QUARTER


async def test_a_user_without_a_ladder_gets_no_record(ladder: Ladder) -> None:
    ladder.policy = a_policy(USER)
    await ladder.keeper.round(ladder.policy)
    assert await ladder.recorded() is None


async def test_commands_show_where_a_user_stands(ladder: Ladder) -> None:
    await at(ladder, Stage.CANARY)
    await ladder.trade(price="60030")
    await ladder.trade(OrderState.REJECTED)
    await ladder.trade(price="60030")
    await ladder.round()
    row = (await read_stages(ladder.rig.bus, [ladder.policy]))[USER]
    assert (row.stage, row.max, row.clean, row.faults, row.tracking_bps) == ("0.05", "1", 1, 1, "5")
    assert row.words == "stage 0.05 of at most 1: 1 of 2 clean trades, 1 fault"


async def test_the_steps_are_in_the_users_stream(ladder: Ladder) -> None:
    await ladder.round()
    for _ in range(2):
        await ladder.check()
    state = await ladder.round()
    rows = await ladder.rig.bus.do("XRANGE", keys.stage_moves(USER), "-", "+")
    ((_, fields),) = [(entry.id, entry.fields) for entry in read_entries(keys.stage_moves(USER), rows)]
    assert fields == {
        "v": "1",
        "user": USER,
        "before": "shadow",
        "after": "0.05",
        "by": "ladder",
        "reason": "2 clean checks",
        "at": str(state.since),
    }
