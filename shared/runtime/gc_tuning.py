"""When a process looks for garbage that only the cyclic collector finds.

By default that is every 700 new objects, so that the collector walks over the orders of a crowd again and again while they are on
their way: a tenth and more of a fan-out to five thousand users. It finds next to nothing: next to nothing of ours is cyclic.
"""

from __future__ import annotations

import gc
from typing import Final

_AT_LEAST: Final = 50_000
_OF_EACH_USER: Final = 300
"""More objects than an order makes on its way: a crowd's orders have gone before anything is looked for."""
_OLDER: Final = (50, 100)
"""Collections of the younger objects until the older ones are looked through."""


def tune_gc_for(users: int) -> None:
    """Have garbage looked for as seldom as befits a process that carries out orders of so many users at once."""
    gc.set_threshold(max(_AT_LEAST, users * _OF_EACH_USER), *_OLDER)
