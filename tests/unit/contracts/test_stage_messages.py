"""An entry at stage `shadow` is a decision of its own on the wire, and never a copy."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage
from shared.contracts.plain_orders import read_decision
from shared.contracts.stage import read_stage, write_stage
from shared.domain.stages.ladder import LadderState
from shared.domain.stages.stage import Stage
from tests.support.examples import NOW, a_copied_entry


def shadow_fields(**changes: str) -> dict[str, str]:
    entry = a_copied_entry()
    decision = replace(entry, copy=None, shadow=entry.copy, stage=Stage.SHADOW)
    return OrderMessage.from_domain(decision).fields() | changes


def test_a_shadow_entry_comes_back_as_it_was_and_has_no_copy() -> None:
    decision = read_decision(shadow_fields())
    entry = a_copied_entry()
    assert decision == replace(entry, copy=None, shadow=entry.copy, stage="shadow")


@pytest.mark.parametrize("name", ["base_size", "limit_price", "not_after"])
def test_a_shadow_entry_needs_its_bounds(name: str) -> None:
    with pytest.raises(MalformedMessageError, match=name):
        read_decision(shadow_fields(**{name: ""}))


def test_an_exit_is_never_only_checked() -> None:
    with pytest.raises(MalformedMessageError, match="an exit is never only checked"):
        read_decision(shadow_fields(kind="exit", side="sell", fraction="1", base_size="", limit_price="", not_after=""))


@pytest.mark.parametrize("stage", ["", "0.05", "0.25", "a word of another version"])
def test_the_stage_of_a_copy_is_read_past_the_schema_too(stage: str) -> None:
    fields = OrderMessage.from_domain(replace(a_copied_entry(), stage=stage)).fields()
    assert ("stage" in fields) == bool(stage)
    assert read_decision(fields) == OrderMessage.parse(fields).to_domain() == replace(a_copied_entry(), stage=stage)


@given(
    st.builds(
        LadderState,
        st.sampled_from(Stage),
        st.sampled_from(Stage),
        st.integers(0, NOW),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.decimals(0, 10**6, places=2),
        st.lists(st.integers(0, NOW), max_size=4).map(tuple),
        st.frozensets(st.sampled_from(["unknown order 1", "position of BTC/USD at kraken differs", "dead letters"])),
        st.sampled_from(["", "0-0", "1763829000000-3"]),
        st.sampled_from(["", "3 clean trades, but unknown order 1"]),
    )
)
def test_a_state_comes_back_from_its_record(state: LadderState) -> None:
    fields = write_stage(state)
    assert all(isinstance(each, str) for each in fields.values())
    assert read_stage(fields) == state


@pytest.mark.parametrize(
    "changes",
    [{"stage": "0.5"}, {"start": ""}, {"since": "x"}, {"clean": "-1"}, {"faults": "1,x"}, {"deviation_bps": "1e3"}],
)
def test_a_damaged_record_is_no_state(changes: dict[str, str]) -> None:
    fields = write_stage(LadderState(Stage.CANARY, Stage.SHADOW, NOW, deviation_bps=Decimal("1.5")))
    with pytest.raises(MalformedMessageError):
        read_stage(fields | changes)


def test_no_record_is_no_state() -> None:
    assert read_stage({}) is None
