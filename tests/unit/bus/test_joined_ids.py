"""The ids of joined entries: what the stream takes, what leaves room for every signal to come, and what no signal has."""

from __future__ import annotations

from hypothesis import given, strategies as st

from shared.bus.flow.joined_ids import is_joined, joined_id
from shared.bus.flow.streams import entry_order

_MS = st.integers(min_value=1, max_value=10**14)


@given(_MS, st.integers(min_value=0, max_value=10**6), st.integers(min_value=1, max_value=10**6), st.integers(0, 9))
def test_it_stands_behind_what_is_there_and_before_every_signal_to_come(
    ms: int, last: int, ago: int, more: int
) -> None:
    horizon = ms + ago
    stream = f"{ms}-{last}"
    for _ in range(more + 1):
        new = joined_id(horizon, stream)
        assert entry_order(stream) < entry_order(new) < (horizon, 0)
        assert is_joined(new)
        stream = new


@given(_MS, _MS, st.integers(min_value=0, max_value=2**40))
def test_a_stream_that_is_past_it_takes_it_all_the_same(horizon: int, ms: int, sequence: int) -> None:
    last = f"{ms}-{sequence}"
    assert entry_order(joined_id(horizon, last)) > entry_order(last)
    assert is_joined(joined_id(horizon, last))


def test_an_empty_stream_takes_it_and_a_signals_own_id_is_none() -> None:
    assert joined_id(1_000, "0-0") == f"999-{2**32}"
    assert not is_joined("999-0")
    assert not is_joined("999-12")
