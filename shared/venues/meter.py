"""A counter that each call raises and time lowers: how much a key may still call, mirrored on our side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_SPARE: Final = 1.0  # left unused, since our calls arrive a little closer together than they were sent


class Meter:
    """One counter that falls with time."""

    def __init__(self, maximum: float, decay: float, monotonic: Callable[[], float]) -> None:
        self._maximum = maximum
        self._decay = decay
        self._monotonic = monotonic
        self._level = 0.0
        self._seen_at = monotonic()

    def wait(self, cost: float) -> float:
        """Return the seconds until `cost` more fits; 0 when it does now."""
        return max(0.0, (self._fallen() + cost - (self._maximum - _SPARE)) / self._decay)

    def reserve(self, cost: float) -> float:
        """Add `cost` now and return the seconds to wait before the call; so callers queue in the order in which they came."""
        wait = self.wait(cost)
        self._level += cost
        return wait

    def give_back(self, cost: float) -> None:
        """Remove a reserved cost that is not used."""
        self._level = max(0.0, self._fallen() - cost)

    def adjust(self, maximum: float, decay: float) -> None:
        """Go on with another maximum and decay; the level stays."""
        self._fallen()
        self._maximum, self._decay = maximum, decay

    def overflow(self) -> float:
        """Set the counter to its maximum, since the venue refused a call; return the seconds until one call fits."""
        self._level = max(self._fallen(), self._maximum)
        return self.wait(1.0)

    def _fallen(self) -> float:
        now = self._monotonic()
        self._level = max(0.0, self._level - (now - self._seen_at) * self._decay)
        self._seen_at = now
        return self._level
