"""What a strategy holds is read back as it was written, and the records of before strategies had names are still read."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from shared.contracts.entry_history_record import read_entry_history, write_entry_history
from shared.contracts.exit_plan_record import read_due_exit, read_exit_plan, write_due_exit, write_exit_plan
from shared.contracts.fields import MalformedMessageError
from shared.contracts.own_position_record import own_position_field, read_own_position, write_own_position
from shared.contracts.position_record import read_position, write_position
from shared.domain.position import Position
from shared.strategies.entry_history import EntryHistory
from shared.strategies.exit_plan import DueExit, ExitPlan, Target
from shared.strategies.own_position import OwnPosition
from tests.unit.master_strategy.values import BTC, NOW, btc, usd

POSITION = Position(BTC, btc("0.1"), usd("6000.5"), NOW, NOW + 5)
PLAN = ExitPlan(
    Decimal("59000.1"),
    (Target(Decimal(61_000), Decimal("0.5")), Target(Decimal(62_000), Decimal(1))),
    Decimal(60_000),
    Decimal("450.25"),
)
_PRICE = st.decimals("0.00000001", "10000000", places=8)


@pytest.mark.parametrize("strategy", ["sma-cross", "trend", "momentum:Momentum"])
@pytest.mark.parametrize(("plan", "entered_at"), [(None, 0), (None, NOW), (PLAN, NOW)])
def test_a_position_is_read_as_it_was_written(strategy: str, plan: ExitPlan | None, entered_at: int) -> None:
    own = OwnPosition(strategy, POSITION, plan, entered_at)
    found = read_own_position(own_position_field(strategy, BTC), write_own_position(own))
    assert (found.own, found.plan_error) == (own, "")


def test_the_records_of_before_strategies_had_names_are_those_of_the_first_one() -> None:
    assert read_own_position("BTC/USD", write_position(POSITION)).own == OwnPosition("sma-cross", POSITION)
    assert own_position_field("sma-cross", BTC) == "BTC/USD"
    assert write_own_position(OwnPosition("sma-cross", POSITION)) == write_position(POSITION)


def test_a_program_of_before_reads_a_position_with_a_plan_as_the_position() -> None:
    assert read_position(write_own_position(OwnPosition("sma-cross", POSITION, PLAN, NOW))) == POSITION


def test_a_plan_that_cannot_be_read_leaves_the_position_held() -> None:
    written = write_own_position(OwnPosition("trend", POSITION, PLAN, NOW)).replace("59000.1", "low")
    found = read_own_position("BTC/USD trend", written)
    assert found.own == OwnPosition("trend", POSITION)
    assert "stop" in found.plan_error


def test_a_record_under_another_symbol_is_not_read() -> None:
    with pytest.raises(MalformedMessageError):
        read_own_position("ETH/USD trend", write_own_position(OwnPosition("trend", POSITION)))


@given(
    stop=st.decimals("-1000", "1000", places=8),
    prices=st.lists(_PRICE, unique=True, max_size=4),
    fraction=st.fractions("1/1000", 1),
    trail=st.none() | _PRICE,
)
def test_any_plan_is_read_as_it_was_written(
    stop: Decimal, prices: list[Decimal], fraction: Fraction, trail: Decimal | None
) -> None:
    part = Decimal(fraction.numerator) / Decimal(fraction.denominator)
    plan = ExitPlan(stop, tuple(Target(price, part) for price in sorted(prices)), trail, trail, trail)
    assert read_exit_plan(write_exit_plan(plan)) == plan


@pytest.mark.parametrize(
    "written",
    [
        "{",
        "[]",
        '{"v": "1"}',
        '{"v": "1", "stop": "1", "targets": "2@5"}',
        '{"v": "1", "stop": "1", "targets": "0.5@5 0.5@4"}',
        '{"v": "1", "stop": "1", "targets": "0.5@5;1@6"}',
        '{"v": "1", "stop": "1", "trail": "-1"}',
    ],
)
def test_what_is_no_plan_is_not_read_as_one(written: str) -> None:
    with pytest.raises(MalformedMessageError):
        read_exit_plan(written)


def test_no_plan_and_no_step_are_empty_texts() -> None:
    assert (write_exit_plan(None), read_exit_plan("")) == ("", None)
    assert (write_due_exit(None), read_due_exit("")) == ("", None)


def test_the_step_of_an_order_is_read_as_it_was_written() -> None:
    assert write_due_exit(DueExit(Decimal("0.75"), 2, "why")) == "2@0.75"
    assert read_due_exit("2@0.75") == DueExit(Decimal("0.75"), 2, "")
    for wrong in ("2", "2@2", "-1@0.5", "x@1"):
        with pytest.raises((ValueError, ArithmeticError)):
            read_due_exit(wrong)


@pytest.mark.parametrize("history", [EntryHistory(), EntryHistory().entered(NOW).entered(NOW + 1)])
def test_the_history_of_entries_is_read_as_it_was_written(history: EntryHistory) -> None:
    assert read_entry_history(write_entry_history(history)) == history
