"""`entry_gap_seconds` of the strategy file, which the live master counts on the wall clock: here in market time."""

from __future__ import annotations


class EntryGap:
    """The least time between two entries of one strategy."""

    def __init__(self, seconds: int) -> None:
        self._gap = seconds * 1000
        self._last: int | None = None

    def refusal(self, now: int) -> str:
        """Return why no entry may be ordered at an instant (epoch ms); an empty text if one may."""
        if not self._gap or self._last is None or now - self._last >= self._gap:
            return ""
        return f"{(now - self._last) // 1000} s since the last entry; entry_gap_seconds is {self._gap // 1000}"

    def entered(self, now: int) -> None:
        """Take note of an entry."""
        self._last = now
