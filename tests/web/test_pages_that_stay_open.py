"""Pages that stay open: over hours they hold no more, and over restarts of the API the tape misses nothing.

The same measurements as `python -m tests.web.load`, with fewer signals; what is judged are shares and counts, no speed.
"""

from __future__ import annotations

from tests.web.load import hours, restarts

_PATHS = ("/", "/tape", "/users/user0001")


async def test_a_page_that_is_open_for_eight_hours_holds_no_more_at_their_end() -> None:
    found = await hours.measure(8, per_minute=2, hurry=1_200, say=lambda _: None, paths=_PATHS, warm=300)
    for path in _PATHS:
        assert found.growth(path) < 0.10, (path, found.memory[path])
        assert found.new_nodes(path) < 1_000, (path, found.memory[path])


async def test_the_tape_misses_no_row_over_twenty_restarts_while_signals_go_on() -> None:
    found = await restarts.measure(20, pause=0.2)
    assert found.missed == 0
    assert found.in_order
    assert found.loads == 1
