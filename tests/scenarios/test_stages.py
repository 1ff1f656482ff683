"""The canary ladder with real processes: shadow places nothing, clean trades climb, a burst of faults steps back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import pytest

from shared.contracts import keys
from shared.domain.reason import ReasonCode
from shared.domain.stages.stage import Stage
from shared.runtime.crash_points import CrashPoint
from tests.support.ops_command import run_ops
from tests.support.outcomes import assert_books_match
from tests.support.processes import wait_for
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(240)

LADDER: Final = """
[stage]
auto = true
start = "shadow"
max = 0.25
trades = 3
faults = 2
max_tracking_bps = 50
"""
ORDERS: Final[Mapping[str, str]] = {"kraken": "AddOrder", "coinbase": "CreateOrder"}
CHECKS: Final[Mapping[str, str]] = {"kraken": "AddOrder", "coinbase": "PreviewOrder"}
REFUSED: Final[Mapping[str, str]] = {"kraken": "EOrder:Insufficient funds", "coinbase": "INSUFFICIENT_FUND"}
EACH_VENUE: Final = pytest.mark.parametrize("venue", list(ORDERS))


@contextmanager
def the_stack(folder: Path, venue: str, settings: str) -> Iterator[Stack]:
    """Run an exchange, an engine and alice's account."""
    with Stack(folder, ["alice"], user_settings=settings, venue=venue) as stack:
        stack.price("BTC/USD", "60000")
        stack.open_account("alice", USD=5_000)
        stack.engine()
        yield stack


def checks(stack: Stack) -> list[dict[str, Any]]:
    """Every order of alice's that arrived at the venue to be checked."""
    rows = stack.requests_of("alice", CHECKS[stack.venue])
    return [row for row in rows if stack.venue == "coinbase" or row.get("validate") == "true"]


def real_orders(stack: Stack) -> list[dict[str, Any]]:
    """Every order of alice's that arrived at the venue to be taken, whatever became of it."""
    rows = stack.requests_of("alice", ORDERS[stack.venue])
    return [row for row in rows if row.get("validate") != "true"]


def stage_of(stack: Stack) -> Stage:
    recorded = cast("str | None", stack.client.hget(keys.stage("alice"), "stage"))
    return Stage(recorded or Stage.SHADOW)


def trade(stack: Stack, size: str = "0.02", count: int = 1) -> list[dict[str, str]]:
    """Have the master buy so often, and wait for alice's outcomes."""
    known = len(stack.reports("alice"))
    for number in range(1, count + 1):
        stack.signal(size=size)
        stack.wait_reports("alice", known + number)
    return stack.reports("alice")[known:]


@EACH_VENUE
def test_no_order_that_could_be_taken_leaves_at_stage_shadow_whatever_dies(tmp_path: Path, venue: str) -> None:
    """An executor is killed at each step of a check, with a check that is lost on its way in between."""
    with the_stack(tmp_path, venue, 'stage = "shadow"\n[guards]\nmax_signal_age = "10m"\n') as stack:
        points = (
            CrashPoint.EXECUTOR_AFTER_READ,
            CrashPoint.EXECUTOR_AFTER_WRITE_AHEAD,
            CrashPoint.EXECUTOR_AFTER_REPLY,
            CrashPoint.EXECUTOR_BEFORE_ACK,
        )
        for number, point in enumerate(points, 1):
            dying = stack.start("executor", "services.executor", EXECUTOR_USERS="alice", DEBUG_DIE_AT=point)
            stack.wait_ready("alice")
            if number % 2:
                stack.fault("drop_before_process", user="alice", method=CHECKS[venue], count=1)
            stack.signal(size="0.02")
            assert dying.wait(60) == -9
            stack.client.delete(keys.lease("alice"))
        stack.signal(kind="exit", size="0.02", fraction="1")
        stack.executor(["alice"])
        reports = stack.wait_reports("alice", len(points) + 1)
        assert [each["code"] for each in reports] == [ReasonCode.SHADOW] * len(points) + [ReasonCode.NOTHING_HELD]
        assert {each["outcome"] for each in reports} == {"skipped"}
        assert len({each["order_id"] for each in reports}) == len(reports)
        assert real_orders(stack) == []
        assert stack.venue_orders("alice") == []
        assert len(checks(stack)) >= len(points)
        assert stack.held("alice") == {}
        audit = run_ops(stack, "audit", "--json", "--grace", "0")
        assert (audit.code, audit.json["duplicates"], audit.json["missing"]) == (0, 0, 0)


@EACH_VENUE
def test_a_user_climbs_after_clean_trades_and_steps_back_after_a_burst_of_faults(tmp_path: Path, venue: str) -> None:
    with the_stack(tmp_path, venue, LADDER) as stack:
        executor = stack.executor(["alice"])
        stack.wait_ready("alice")
        wait_for(lambda: stack.client.exists(keys.stage("alice")), 30, "the executor has begun to count")

        would_take = trade(stack, count=3)
        assert {each["code"] for each in would_take} == {ReasonCode.SHADOW}
        wait_for(lambda: stage_of(stack) is Stage.CANARY, 30, "three clean checks climb")
        assert real_orders(stack) == []

        first, *_ = trade(stack, count=2)
        assert (first["outcome"], Decimal(first["filled_size"])) == ("filled", Decimal("0.0005"))  # 0.02 x 0.5 x 0.05
        [decided] = [each for each in stack.orders("alice") if each["signal_id"] == first["signal_id"]]
        assert "x stage 0.05 = 0.0005" in decided["reason"]
        executor.kill()  # what was counted before it died counts on
        stack.client.delete(keys.lease("alice"))
        stack.executor(["alice"])
        trade(stack)
        wait_for(lambda: stage_of(stack) is Stage.QUARTER, 30, "three clean trades climb")

        quarter, *_ = trade(stack, count=4)  # more would climb, but the file's max is reached
        assert Decimal("0.0024") < Decimal(quarter["filled_size"]) <= Decimal("0.0025")  # fees have been paid
        assert stage_of(stack) is Stage.QUARTER

        stack.fault("refused_with", user="alice", method=ORDERS[venue], count=2, error=REFUSED[venue])
        assert {each["outcome"] for each in trade(stack, count=2)} == {"rejected"}
        wait_for(lambda: stage_of(stack) is Stage.CANARY, 30, "two refusals step back")
        (small,) = trade(stack)
        assert Decimal("0.00048") < Decimal(small["filled_size"]) <= Decimal("0.0005")

        stack.signal(kind="exit", size="0.02", fraction="1")
        wait_for(lambda: stack.held("alice") == {}, 30, "an exit sells all that is held, at every stage")
        assert_books_match(stack, "alice")

        told = run_ops(stack, "stages", "--json").json
        moves = [(each["before"], each["after"]) for each in reversed(told["steps"])]
        assert moves == [("shadow", "0.05"), ("0.05", "0.25"), ("0.25", "0.05")]
        (row,) = told["stages"]
        assert (row["stage"], row["max"], row["auto"]) == ("0.05", "0.25", True)
        (user,) = run_ops(stack, "status", "--json").json["users"]
        assert user["stage"] == "0.05"
        assert "alice: stage 0.05 of at most 0.25" in run_ops(stack, "status").out
        assert run_ops(stack, "audit", "--json", "--grace", "0").code == 0


@EACH_VENUE
def test_a_position_keeps_its_exits_after_a_step_back_to_shadow(tmp_path: Path, venue: str) -> None:
    """Entries are only checked from then on; what is held is sold by the master's exit all the same."""
    with the_stack(tmp_path, venue, LADDER.replace('"shadow"', "0.05")) as stack:
        stack.executor(["alice"])
        stack.wait_ready("alice")
        wait_for(lambda: stack.client.exists(keys.stage("alice")), 30, "the executor has begun to count")
        trade(stack)
        assert list(stack.held("alice").values()) == ["0.0005"]
        stack.fault("refused_with", user="alice", method=ORDERS[venue], count=2, error=REFUSED[venue])
        trade(stack, count=2)
        wait_for(lambda: stage_of(stack) is Stage.SHADOW, 30, "two refusals step back")
        placed = len(stack.venue_orders("alice"))
        (checked,) = trade(stack)
        assert checked["code"] == ReasonCode.SHADOW
        assert len(stack.venue_orders("alice")) == placed
        stack.signal(kind="exit", size="0.02", fraction="1")
        wait_for(lambda: stack.held("alice") == {}, 30, "the exit is real")
        assert [row["side"] for row in stack.venue_orders("alice")[placed:]] == ["sell"]


def test_a_user_on_paper_is_called_ready_and_stays_on_paper_until_a_person_moves_them(tmp_path: Path) -> None:
    """The way to real money is by hand; what `ops stages` names is enough. Here all trade on paper, so one key serves both."""
    on_paper = LADDER.replace('"shadow"', '"paper"')
    with the_stack(tmp_path, "kraken", on_paper) as stack:
        executor = stack.executor(["alice"])
        stack.wait_ready("alice")
        wait_for(lambda: stack.client.exists(keys.stage("alice")), 30, "the executor has begun to count")
        trade(stack, count=2)
        executor.kill()  # what was counted before it died counts on
        stack.client.delete(keys.lease("alice"))
        stack.executor(["alice"])
        whole, *_ = trade(stack, count=5)
        assert Decimal("0.0097") < Decimal(whole["filled_size"]) <= Decimal("0.01"), "never reduced on paper"
        wait_for(lambda: stack.client.hget(keys.stage("alice"), "ready"), 30, "six clean trades")
        assert stage_of(stack) is Stage.PAPER
        (row,) = run_ops(stack, "stages", "--json").json["stages"]
        assert row["ready"].startswith("ready for stage shadow: ")
        assert "clean trades on paper, " in row["ready"]
        assert "ops flatten --user alice" in row["ready"]
        assert int(stack.client.xlen(keys.stage_moves("alice"))) == 1, "it is said once"

        assert run_ops(stack, "flatten", "--user", "alice", "--reason", "to shadow", "--yes").code == 0
        wait_for(lambda: stack.held("alice") == {}, 30, "what was bought on paper is sold there")
        stack.write_user("alice", LADDER)
        wait_for(lambda: stage_of(stack) is Stage.SHADOW, 30, "the file moves")
        assert run_ops(stack, "resume", "--user", "alice").code == 0
        placed = len(stack.venue_orders("alice"))
        while (code := trade(stack)[0]["code"]) != ReasonCode.SHADOW:
            assert code == ReasonCode.STAGE_CHANGED, "the executor has read the file, and the engine has not yet"
        assert len(stack.venue_orders("alice")) == placed
