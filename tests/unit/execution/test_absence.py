"""When an order that the venue does not show is searched for again: a search is dear, and the last one must be late enough."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from shared.execution.following.absence import until_search


@pytest.mark.parametrize(("provable_in", "searches"), [(8.0, 3), (5.5, 3), (5.0, 2), (3.0, 2), (0.0, 2)])
def test_an_order_that_is_not_there_is_searched_for_seldom(provable_in: float, searches: int) -> None:
    made = 1
    left = provable_in
    while left >= 0:
        left -= until_search(left)
        made += 1
    assert made == searches


@given(st.floats(0, 1e6))
def test_the_search_that_proves_an_absence_comes_as_soon_as_it_can(provable_in: float) -> None:
    waited = 0.0
    while waited <= provable_in:
        wait = until_search(provable_in - waited)
        assert 0 < wait <= 10
        waited += wait
    assert waited <= provable_in + 0.01
