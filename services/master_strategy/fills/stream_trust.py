"""Whether the account's private stream shows all fills now, so that the scans may be rare.

A stream that was connected, compared by REST and not interrupted since is trusted; after anything doubtful the account is polled
as without a stream for a while, because the venue's lists may lag behind what the stream hinted at. It must never be trusted for
what happened before the comparison.
"""

from __future__ import annotations

from typing import Final

from services.master_strategy.clock import Clock
from shared.domain.fault import FaultKind, Faults

_DOUBT: Final = 60.0
"""Seconds of polling after a doubt: longer than a venue's lists lag behind an end of an order."""
_MISSED_AFTER_MS: Final = 5_000
"""How long after its end an order that only a scan has shown counts as missed by the stream."""
_DOWN_FOR: Final = 30.0
"""Seconds without a stream after which that is a fault: reconnecting takes less."""


class StreamTrust:
    """The state of one account's stream. Without a stream it stays as it begins: nothing is trusted."""

    def __init__(self, clock: Clock, faults: Faults, subject: str) -> None:
        self._clock = clock
        self._faults = faults
        self._subject = subject
        self._since: int | None = None
        self._down_since = clock.steady()
        self._doubt_until = 0.0
        self._why = "it has not connected yet"
        self.expected = False
        """Whether there is a stream at all."""

    def resumed(self, compared_at: int) -> None:
        """Note that the stream is alive, and was compared by REST at an instant (epoch ms)."""
        self._since = compared_at
        self._doubt_until = self._clock.steady() + _DOUBT
        self._faults.clear(FaultKind.VENUE_STREAM, self._subject)

    def interrupted(self, why: str) -> None:
        """Note that nothing is seen any more."""
        if self._since is not None:
            self._down_since = self._clock.steady()
        self._since, self._why = None, why

    def doubt(self) -> None:
        """Note that something happened which the stream did not show in full."""
        self._doubt_until = self._clock.steady() + _DOUBT

    @property
    def alive(self) -> bool:
        """Whether the stream shows what happens now."""
        return self._since is not None

    @property
    def complete(self) -> bool:
        """Whether it has shown everything lately, so that no list need be read."""
        return self.alive and self._clock.steady() >= self._doubt_until

    def look(self) -> None:
        """Report a stream that is down for long. Fills are seen all the same, by polling: it blocks nothing."""
        down = self._clock.steady() - self._down_since
        if self.expected and not self.alive and down >= _DOWN_FOR:
            reason = f"no private stream for {down:.0f} s ({self._why}): fills are polled, up to 12 s late"
            self._faults.report(FaultKind.VENUE_STREAM, self._subject, reason)

    def note_missed(self) -> None:
        """Count an order of the strategy whose end REST has shown first although the stream was alive."""
        self._faults.count(FaultKind.VENUE_STREAM)
        self.doubt()

    def missed(self, ended_at: int | None) -> bool:
        """Count an order that a scan has shown first although the stream was trusted; return whether it was one.

        `ended_at`: epoch ms, the venue's time.
        """
        if self._since is None or ended_at is None or not self.complete:
            return False
        if not self._since <= ended_at <= self._clock.now() - _MISSED_AFTER_MS:
            return False
        self._faults.count(FaultKind.VENUE_STREAM)
        self.doubt()
        return True
