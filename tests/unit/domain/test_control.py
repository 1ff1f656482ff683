"""The kill switch: what each position stops, and that a doubt stops entries."""

from __future__ import annotations

import pytest

from shared.domain.control import Control, ControlMode, flattening, refusal
from shared.domain.order import Kind
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip


@pytest.mark.parametrize(
    ("mode", "entry_stops", "exit_stops"),
    [
        ("run", False, False),
        ("pause", True, False),
        ("close_only", True, False),
        ("flatten", True, False),
        ("halt", True, True),
    ],
)
def test_each_mode_stops_what_it_says(mode: str, entry_stops: bool, exit_stops: bool) -> None:
    switch = Control(ControlMode(mode))
    assert bool(refusal(Kind.ENTRY, switch)) is entry_stops
    assert bool(refusal(Kind.EXIT, switch)) is exit_stops


def test_one_switch_of_several_is_enough_and_its_reason_is_told() -> None:
    paused = Control(ControlMode.PAUSE, "maintenance")
    forbidden = Skip("pause is set: maintenance", ReasonCode.KILL_SWITCH)
    assert refusal(Kind.ENTRY, Control(), paused) == forbidden
    assert refusal(Kind.ENTRY, paused, Control()) == forbidden
    assert refusal(Kind.ENTRY, Control(), Control()) is None


def test_a_switch_that_nobody_has_set_is_run() -> None:
    assert Control.read({}) == Control(ControlMode.RUN, "")


def test_a_switch_is_read_as_it_is_written() -> None:
    assert Control.read({"mode": "close_only", "reason": "storm"}) == Control(ControlMode.CLOSE_ONLY, "storm")


def test_who_set_a_switch_and_when_is_read_with_it() -> None:
    fields = {"mode": "halt", "reason": "audit", "by": "ann", "at": "1763829000000"}
    assert Control.read(fields) == Control(ControlMode.HALT, "audit", "ann", 1763829000000)
    assert Control.read({"mode": "halt", "at": "yesterday"}).at == 0


def test_flatten_is_asked_for_by_any_scope_and_waits_for_a_halt_to_end() -> None:
    flatten = Control(ControlMode.FLATTEN, "the end")
    assert flattening(Control(), Control(), Control()) is None
    assert flattening(Control(), Control(ControlMode.PAUSE), flatten) == flatten
    assert flattening(Control(ControlMode.HALT), flatten) is None


def test_a_mode_that_nobody_knows_stops_entries_and_lets_exits_through() -> None:
    doubt = Control.read({"mode": "PAUSED!"})
    forbidden = refusal(Kind.ENTRY, doubt)
    assert forbidden is not None
    assert "unknown control mode 'PAUSED!'" in forbidden.reason
    assert refusal(Kind.EXIT, doubt) is None
