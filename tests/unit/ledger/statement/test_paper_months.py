"""A thousand random months at the paper exchange: the statement equals its books to the last digit, and its parts add up."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest

from shared.ledger.statement.parts.causes import Cause
from shared.ledger.statement.parts.counterfactuals import Explanation, explain
from shared.ledger.statement.parts.exact import LAST_DIGIT, QUANTUM, exactly
from shared.ledger.statement.records.assembly import assemble
from shared.ledger.statement.statement import state_account
from tests.support.paper_month import PaperMonth
from tests.support.property_examples import scaled

_A_TENTH: Final = 100
_CENT: Final = Decimal("0.01")
_APART: Final = QUANTUM * 100_000 * 100 + 2 * LAST_DIGIT
"""Shares and portions are rounded to QUANTUM, at most once per fill, and then multiplied by a price; results are rounded once."""


def explained(month: PaperMonth) -> tuple[Explanation, Decimal]:
    assembly = assemble(month.material())
    return explain(assembly.books, assembly.ratio), assembly.ratio


@pytest.mark.parametrize("tenth", range(10))
def test_the_parts_add_up_to_the_difference_between_two_accounts_at_the_exchange(tenth: int) -> None:
    for seed in range(tenth * _A_TENTH, tenth * _A_TENTH + scaled(_A_TENTH)):
        month = PaperMonth(seed)
        found, ratio = explained(month)
        with exactly():
            assert found.result == month.earned("alice"), seed
            assert found.at_scale + sum(found.parts.values()) == month.earned("alice"), seed
            assert abs(found.at_scale - ratio * month.earned("master")) <= _APART, seed


def test_every_cause_occurs_in_such_months() -> None:
    seen = {
        cause for seed in range(60) for (cause, _), amount in explained(PaperMonth(seed))[0].parts.items() if amount
    }
    assert seen == set(Cause)


def test_what_is_shown_in_cents_adds_up_and_is_at_most_a_cent_from_what_is_exact() -> None:
    for seed in range(scaled(_A_TENTH)):
        stated = state_account(PaperMonth(seed).material())
        if stated is None:
            continue
        with exactly():
            assert stated.at_scale + sum(part.amount for part in stated.parts) == stated.result
            assert stated.gap == sum(part.amount for part in stated.parts)
            assert stated.at_scale_shown + stated.gap_shown == stated.result_shown
            assert stated.gap_shown == sum(part.shown for part in stated.parts)
            assert abs(stated.result_shown - stated.result) <= _CENT / 2
            for part in stated.parts:
                assert part.lines == () or part.amount == sum(line.amount for line in part.lines)
                assert part.lines == () or part.shown == sum(line.shown for line in part.lines)
                for shown, exact in [(part.shown, part.amount), *((line.shown, line.amount) for line in part.lines)]:
                    assert abs(shown - exact) <= _CENT
                    assert shown == shown.quantize(_CENT)
                    assert exact or not shown
