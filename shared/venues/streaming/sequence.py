"""Notices messages that were lost, by the numbers that a venue gives them, without knowing whether each channel has its own.

Neither venue says for certain whether its numbers run through all channels of a connection or through each one. Recordings
show the first (KRAKEN.md, K36; COINBASE.md, C23), so that is believed until it is refuted. The message that refutes it may as
well be the first after a gap, so it counts as one: that costs one comparison, once, since what was learned is kept for the
next connections.

It must never call a stream complete that is not: a repeated or a late number is a gap too.
"""

from __future__ import annotations


class Sequence:
    """The numbers of one connection after another."""

    def __init__(self) -> None:
        self._common = True
        self._apart = True
        self._last: int | None = None
        self._last_of: dict[str, int] = {}

    def begin(self) -> None:
        """Begin a connection: its numbers begin anywhere."""
        self._last = None
        self._last_of.clear()

    def follows(self, channel: str, number: object) -> bool:
        """Record a number; return False if messages may have been lost or came in another order."""
        if not isinstance(number, int) or isinstance(number, bool):
            return False
        common = self._last is None or number == self._last + 1
        last_of = self._last_of.get(channel)
        apart = last_of is None or number == last_of + 1
        self._last = number if self._last is None else max(self._last, number)
        self._last_of[channel] = number if last_of is None else max(last_of, number)
        believed = common if self._common else apart
        self._common, self._apart = self._common and common, self._apart and apart
        if not (self._common or self._apart):
            self._common = self._apart = True  # a gap, or what was learned is wrong
        return believed
