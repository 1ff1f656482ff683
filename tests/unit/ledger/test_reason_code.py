"""`ops why --json` shows the reason as a stable word: the outcome's, else the decision's."""

from __future__ import annotations

import pytest

from shared.ledger.signal_views import CopyView
from shared.ledger.why import UserCopy


@pytest.mark.parametrize(
    ("order", "report", "code"),
    [
        ({}, {}, ""),
        ({"decision": "copy"}, {"outcome": "filled"}, ""),
        ({"decision": "skip", "code": "parked"}, {}, "parked"),
        ({"decision": "skip", "code": "parked"}, {"outcome": "skipped", "code": ""}, "parked"),
        ({"decision": "skip", "code": "parked"}, {"outcome": "filled", "code": "recalled"}, "recalled"),
        (
            {"decision": "copy"},
            {"outcome": "failed", "code": "a_word_of_the_next_version"},
            "a_word_of_the_next_version",
        ),
    ],
)
def test_the_code_of_a_copy_is_the_outcomes_else_the_decisions(
    order: dict[str, str], report: dict[str, str], code: str
) -> None:
    assert CopyView.of(UserCopy("alice", order, report)).code == code
