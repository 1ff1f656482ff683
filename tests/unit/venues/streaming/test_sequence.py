"""Lost messages are noticed, whichever way a venue counts."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from shared.venues.streaming.sequence import Sequence

Numbered = list[tuple[str, int]]


def numbered(channels: list[str], *, common: bool, begin: int) -> Numbered:
    """Number messages of these channels as one of the two ways does."""
    last: dict[str, int] = {}
    found = []
    for channel in channels:
        place = "" if common else channel
        last[place] = last.get(place, begin - 1) + 1
        found.append((channel, last[place]))
    return found


def test_one_channel_is_counted_from_anywhere() -> None:
    sequence = Sequence()
    assert [sequence.follows("a", number) for number in (120, 121, 122)] == [True] * 3
    assert not sequence.follows("a", 124)
    assert sequence.follows("a", 125)


@pytest.mark.parametrize("number", [120, 119, None, "121", True, 12.5])
def test_a_repeated_late_or_strange_number_is_a_gap(number: object) -> None:
    sequence = Sequence()
    sequence.follows("a", 119)
    sequence.follows("a", 120)
    assert not sequence.follows("a", number)
    assert sequence.follows("a", 121)


def test_a_new_connection_begins_anywhere() -> None:
    sequence = Sequence()
    sequence.follows("a", 5)
    sequence.begin()
    assert sequence.follows("a", 1)


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=30), st.booleans(), st.integers(0, 200))
def test_without_a_loss_there_is_no_gap_but_for_one_when_channels_turn_out_to_count_apart(
    channels: list[str], common: bool, begin: int
) -> None:
    sequence = Sequence()
    again = ["a", "b", "a", "b", *channels]  # enough to refute one of the two ways
    first = [sequence.follows(*each) for each in numbered(again, common=common, begin=begin)]
    assert first.count(False) == (0 if common else 1)
    sequence.begin()
    assert all(sequence.follows(*each) for each in numbered(again, common=common, begin=begin + 7))


@given(
    st.lists(st.sampled_from("ab"), min_size=2, max_size=30),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_a_loss_that_another_message_of_the_channel_follows_is_always_noticed(
    channels: list[str], common: bool, learned: bool, data: st.DataObject
) -> None:
    sequence = Sequence()
    if learned:
        for each in numbered(["a", "b", "a", "b"], common=common, begin=1):
            sequence.follows(*each)
        sequence.begin()
    sent = numbered(channels, common=common, begin=1)
    lost = data.draw(st.integers(1, len(sent) - 1))
    before, after = sent[:lost], sent[lost + 1 :]
    for each in before:
        sequence.follows(*each)
    noticed = [sequence.follows(*each) for each in after]
    channel = sent[lost][0]
    shows = any(name == channel for name, _ in before) and any(name == channel for name, _ in after)
    if shows:
        first = next(place for place, (name, _) in enumerate(after) if name == channel)
        assert False in noticed[: first + 1]
