"""Faults as a heartbeat carries them."""

from __future__ import annotations

import json

import pytest

from shared.contracts.heartbeat import MOST_PUBLISHED, read_counts, read_faults, write_counts, write_faults
from shared.domain.fault import Fault, FaultKind

_FAULT = Fault(FaultKind.CLOCK, "kraken", "6.2 s ahead", since=5, count=2, blocks=True)


def test_faults_are_read_back_as_they_were_written() -> None:
    assert read_faults(write_faults([_FAULT])) == (_FAULT,)
    assert write_faults([]) == ""
    assert read_faults("") == ()


def test_only_the_first_of_very_many_are_published() -> None:
    assert len(read_faults(write_faults([_FAULT] * (MOST_PUBLISHED + 1)))) == MOST_PUBLISHED


@pytest.mark.parametrize("text", ["{", "7", '{"kind": "clock"}', "[" * 100_000, '[{"kind": "clock"}, 3, null]'])
def test_what_cannot_be_read_is_left_out(text: str) -> None:
    assert read_faults(text) == ()


def test_a_kind_of_a_newer_version_hides_no_other() -> None:
    rows = json.loads(write_faults([_FAULT]))
    assert read_faults(json.dumps([{**rows[0], "kind": "of-tomorrow"}, *rows])) == (_FAULT,)


def test_counts_are_read_back_and_unknown_kinds_kept() -> None:
    assert read_counts(write_counts({FaultKind.TASK: 3})) == {"task": 3}
    assert read_counts('{"of-tomorrow": 2, "task": "x"}') == {"of-tomorrow": 2}
    assert read_counts("[]") == {}
