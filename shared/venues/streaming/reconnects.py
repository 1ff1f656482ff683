"""When to connect again: quickly after one failure, rarely after many.

Kraken counts 150 connects in ten minutes per address and then bans it for about as long; so pauses grow, with jitter, so that a
hundred users whose streams were cut at once do not come back at once. A close code of 1008 means that the venue does not want to
see this client again before a person has looked at it. Sources: KRAKEN.md, K36; the rule of Kraken's own command line.

It must never connect by itself, and knows no clock and no randomness of its own: both are passed in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from shared.venues.errors import Unavailable
from shared.venues.streaming.connection import POLICY, StreamEnded

_QUICK: Final = (1.0, 1.0)
"""Seconds before the first tries."""
_FIRST: Final = 5.0
_LONGEST: Final = 30.0
_JITTER: Final = 0.75
_STABLE: Final = 30.0
"""Seconds for which a connection must last before the count of failures begins again at zero."""
MANY: Final = 12
"""Failures in a row after which the pause is `_SELDOM`."""
_SELDOM: Final = 300.0
_UNWELCOME: Final = 900.0
"""Seconds after a close code of 1008: longer than any ban for too many connects."""


class Reconnects:
    """The failures in a row of one stream, and the pause that follows from them."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, uniform: Callable[[], float] = random.random
    ) -> None:
        """`monotonic` returns seconds, `uniform` a number from 0 to 1."""
        self.failures = 0
        self._monotonic = monotonic
        self._uniform = uniform
        self._since: float | None = None

    def connected(self) -> None:
        """Record that the stream runs."""
        self._since = self._monotonic()

    def pause_after(self, failure: Unavailable) -> float:
        """Record a failure, of a connection or before there was one, and return the seconds to wait."""
        if self._since is not None and self._monotonic() - self._since >= _STABLE:
            self.failures = 0
        self._since = None
        self.failures += 1
        unwelcome = isinstance(failure, StreamEnded) and failure.code == POLICY
        pause = max(self._growing(), failure.retry_after, _UNWELCOME if unwelcome else 0.0)
        return pause + self._uniform() * _JITTER

    def _growing(self) -> float:
        if self.failures <= len(_QUICK):
            return _QUICK[self.failures - 1]
        if self.failures > MANY:
            return _SELDOM
        return min(_FIRST * 2.0 ** (self.failures - len(_QUICK) - 1), _LONGEST)
