"""A thousand random months at the paper exchange: the statement is equal to its books to the last digit, and its parts add up."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from shared.ledger.statement.parts.causes import Cause
from shared.ledger.statement.parts.counterfactuals import explain
from shared.ledger.statement.parts.exact import LAST_DIGIT, QUANTUM, exactly
from shared.ledger.statement.records.assembly import assemble
from shared.ledger.statement.statement import state_account
from tests.support.paper_month import PaperMonth
from tests.support.property_examples import scaled

MONTHS: Final = 1_000


def test_the_parts_add_up_to_the_difference_between_two_accounts_at_the_exchange() -> None:
    seen: set[tuple[Cause, str]] = set()
    for seed in range(scaled(MONTHS)):
        month = PaperMonth(seed)
        material = month.material()
        assembly = assemble(material)
        found = explain(assembly.books, assembly.ratio)
        with exactly():
            assert found.result == month.earned("alice"), seed
            assert found.at_scale + sum(found.parts.values()) == month.earned("alice"), seed
            apart = abs(found.at_scale - assembly.ratio * month.earned("master"))
        # Shares and portions are rounded to QUANTUM, at most once per fill, and then multiplied by a price; results once more.
        assert apart <= QUANTUM * 100_000 * 100 + 2 * LAST_DIGIT, seed
        seen |= {place for place, amount in found.parts.items() if amount}
    assert {cause for cause, _ in seen} == set(Cause)


def test_what_is_shown_in_cents_adds_up_and_is_at_most_a_cent_from_what_is_exact() -> None:
    cent = Decimal("0.01")
    for seed in range(scaled(100)):
        stated = state_account(PaperMonth(seed).material())
        if stated is None:
            continue
        with exactly():
            assert stated.at_scale + sum(part.amount for part in stated.parts) == stated.result
            assert stated.gap == sum(part.amount for part in stated.parts)
            assert stated.at_scale_shown + stated.gap_shown == stated.result_shown
            assert stated.gap_shown == sum(part.shown for part in stated.parts)
            assert abs(stated.result_shown - stated.result) <= cent / 2
            for part in stated.parts:
                assert part.lines == () or part.amount == sum(line.amount for line in part.lines)
                assert part.lines == () or part.shown == sum(line.shown for line in part.lines)
                for shown, exact in [(part.shown, part.amount), *((line.shown, line.amount) for line in part.lines)]:
                    assert abs(shown - exact) <= cent
                    assert shown == shown.quantize(cent)
                    assert exact or not shown
