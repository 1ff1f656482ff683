"""A long run leaves the collector as it was, also if it fails."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from shared.runtime.gc_tuning import seldom_collecting


@pytest.fixture(autouse=True)
def _untuned() -> Iterator[None]:
    """Another test of this process may have run a command, which tunes the collector."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_collector_is_as_before_after_a_run_that_ends_or_fails() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with seldom_collecting():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > frozen
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
    with pytest.raises(KeyError), seldom_collecting():
        raise KeyError
    assert gc.get_threshold() == before
