"""Reason codes are words for programs: they must look like one another and be unique."""

from __future__ import annotations

import re

from shared.domain.reason import ReasonCode


def test_every_code_is_a_plain_word_that_equals_its_name() -> None:
    for code in ReasonCode:
        assert re.fullmatch(r"[a-z]+(?:_[a-z]+)*", code.value)
        assert code.value == code.name.lower()


def test_no_code_has_a_second_name() -> None:
    assert list(ReasonCode.__members__) == [code.name for code in ReasonCode]
