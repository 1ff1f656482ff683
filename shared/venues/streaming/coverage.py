"""Whether one connection shows everything that happens on the account, and what is done when it may not.

It counts as seen from its snapshot on, and then has REST compared: once at the beginning, and again whenever something may have
been missed. Before that a gap needs no comparison of its own, since the first one covers it.

It must never let an unknown message pass as one that says nothing: it may have been about an order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from shared.venues.errors import presentable
from shared.venues.streaming.delivery import Delivery

_MOST_STRANGE: Final = 100
"""Kinds of unknown messages that lead to a comparison each."""
_LONGEST: Final = 40

_log = structlog.get_logger(__name__)


class Coverage:
    """The coverage of one connection."""

    def __init__(
        self, venue: str, delivery: Delivery, seen: Callable[[str], None], *, doubt: Callable[[], None] | None = None
    ) -> None:
        """`seen` is called when the first comparison is due; `doubt` when what was gathered of orders may lack a row."""
        self._venue = venue
        self._delivery = delivery
        self._seen = seen
        self._doubt = doubt
        self._strange: set[str] = set()
        self.begun = False
        """Whether the connection counts as seen."""

    def begin(self, why: str) -> None:
        """Count the connection as seen, and have REST compared."""
        self.begun = True
        self._seen(why)

    def lost(self, why: str) -> None:
        """Have REST compared: something may have been missed."""
        if self._doubt is not None:
            self._doubt()
        if self.begun:
            self._delivery.resume(why)

    def wonder(self, name: str) -> None:
        """Have REST compared once for each unknown kind of message."""
        name = presentable(name)[:_LONGEST]
        if name not in self._strange and len(self._strange) < _MOST_STRANGE:
            self._strange.add(name)
            _log.warning("unknown message of a private stream", venue=self._venue, name=name)
            self.lost(f"an unknown message: {name}")
