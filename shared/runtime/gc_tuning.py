"""Sets how often the cyclic garbage collector runs.

By default it runs after every 700 new objects, so that it walks over the orders of many users again and again while they are
processed: a tenth and more of a fan-out to five thousand users. It finds almost nothing, since almost nothing here is cyclic.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_AT_LEAST: Final = 50_000
_OF_EACH_USER: Final = 300
"""More objects than an order creates: the orders of all users are processed before the collector runs."""
_OLDER: Final = (50, 100)
"""Collections of a younger generation before the next older one is collected."""


def tune_gc_for(users: int) -> None:
    """Set the collector's thresholds for a process that handles the orders of this many users at once."""
    gc.set_threshold(max(_AT_LEAST, users * _OF_EACH_USER), *_OLDER)


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Leave what exists by now out of collections, and collect seldom, while something runs that only adds to it."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_AT_LEAST, *_OLDER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
