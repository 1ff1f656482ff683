"""Each cause alone lands in its own part, to the last digit, and in no other; without any cause there is no gap."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.ledger.statement.parts.causes import Cause
from shared.ledger.statement.parts.counterfactuals import Explanation, explain
from shared.ledger.statement.records.assembly import assemble
from shared.ledger.statement.records.material import Material
from tests.support.property_examples import scaled
from tests.unit.ledger.statement.months import Causes, months


def explained(material: Material) -> Explanation:
    assembly = assemble(material)
    return explain(assembly.books, assembly.ratio)


def touched(explanation: Explanation) -> set[tuple[Cause, str]]:
    """Return the parts that are not exactly zero."""
    return {place for place, amount in explanation.parts.items() if amount}


def test_a_perfect_copy_has_the_masters_result_at_scale_to_the_last_digit() -> None:
    for material in months(scaled(100), Causes()):
        found = explained(material)
        fees = {place for place in found.parts if place[0] is Cause.FEES}
        assert touched(found) <= fees
        assert sum(found.parts[place] for place in fees) == 0
        assert found.result == found.at_scale
        assert found.at_scale != 0


@pytest.mark.parametrize(
    ("causes", "expected"),
    [
        pytest.param(Causes(fees=0.5), {(Cause.FEES, "paid"), (Cause.FEES, "master")}, id="fees"),
        pytest.param(Causes(slippage=0.5), {(Cause.PRICE, "entries"), (Cause.PRICE, "exits")}, id="slippage"),
        pytest.param(Causes(delay=0.5), {(Cause.DELAY, "entries"), (Cause.DELAY, "exits")}, id="delay"),
        pytest.param(Causes(unrecorded=0.5), {(Cause.PRICE, "unseparated")}, id="a price that was not recorded"),
        pytest.param(Causes(skips={"stale": 0.3}), {(Cause.SKIPPED, "stale")}, id="a skip"),
        pytest.param(
            Causes(skips={"parked": 0.2, "stale": 0.2}),
            {(Cause.SKIPPED, "parked"), (Cause.SKIPPED, "stale")},
            id="two kinds of skips",
        ),
        pytest.param(Causes(skips={"below_minimum": 0.3}), {(Cause.ROUNDING, "below_minimum")}, id="minimums"),
        pytest.param(Causes(unfilled=0.5), {(Cause.SKIPPED, "not_filled")}, id="partial fills"),
        pytest.param(Causes(limits=0.5), {(Cause.LIMITS, "")}, id="limits"),
        pytest.param(Causes(rounding=0.5), {(Cause.ROUNDING, "steps")}, id="rounding"),
        pytest.param(Causes(own_exits={"stop_loss": 0.2}), {(Cause.OWN_EXITS, "stop_loss")}, id="a stop"),
        pytest.param(
            Causes(own_exits={"stop_out": 0.1, "trailing": 0.1}),
            {(Cause.OWN_EXITS, "stop_out"), (Cause.OWN_EXITS, "trailing")},
            id="two kinds of own exits",
        ),
        pytest.param(Causes(deposits=0.3), {(Cause.RATIO, "equity")}, id="deposits"),
        pytest.param(Causes(settings=0.3), {(Cause.RATIO, "settings")}, id="a new multiplier"),
        pytest.param(Causes(carried=True), {(Cause.CARRIED, "")}, id="carried over"),
    ],
)
def test_a_cause_alone_is_found_in_its_own_part_and_nowhere_else(
    causes: Causes, expected: set[tuple[Cause, str]]
) -> None:
    seen: set[tuple[Cause, str]] = set()
    net_fees = []
    for material in months(scaled(60), causes):
        found = explained(material)
        fees = sum((amount for place, amount in found.parts.items() if place[0] is Cause.FEES), Decimal(0))
        net_fees.append(fees)
        if not causes.fees:
            assert fees == 0
            assert touched(found) - {(Cause.FEES, "paid"), (Cause.FEES, "master")} <= expected
        else:
            assert touched(found) <= expected
        assert found.gap == sum(found.parts.values())
        seen |= touched(found)
    assert expected <= seen
    assert not causes.fees or any(net_fees)
