"""Armed faults: they make the venue misbehave on demand, each with its own seed, so that a run can be repeated.

A fault is counted at the moment it fires. If several match, the one that was armed first fires.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.paper_exchange.core.fault_table import FAULTS, FaultSpec, Stage
from services.paper_exchange.core.market.clock import Clock

FRACTION: Final = 0.4  # of the size, for the partial fills


@dataclass(slots=True)
class ArmedFault:
    """One armed fault. An empty `user`, `venue`, `method` or `symbol` matches all; `left` counts down if a count was given."""

    fault: str
    user: str
    method: str
    symbol: str
    left: int | None
    probability: float
    seconds: float
    until: float
    fraction: float
    error: str
    rng: random.Random
    venue: str = ""
    fired: int = 0

    @property
    def kind(self) -> FaultSpec:
        """Return its row of the fault table."""
        return FAULTS[self.fault]

    def fits(self, user: str, method: str, symbol: str, now: float, venue: str = "") -> bool:
        """Return whether this fault matches a request, without drawing a random number."""
        if self.left == 0 or now >= self.until:
            return False
        if venue and (self.venue or self.kind.venue or venue) != venue:
            return False
        if self.user not in {"", user} or (self.symbol and symbol and self.symbol != symbol):
            return False
        if self.method:
            return self.method == method
        return not self.kind.methods or method in self.kind.methods

    def strike(self) -> bool:
        """Draw whether it fires, and count it if so."""
        if self.probability < 1 and self.rng.random() >= self.probability:
            return False
        self.fired += 1
        if self.left is not None:
            self.left -= 1
        return True


class VenueFaults:
    """The armed faults as one venue meets them: those of others never fire here."""

    def __init__(self, faults: ArmedFaults, venue: str) -> None:
        self._faults = faults
        self._venue = venue

    @property
    def armed(self) -> bool:
        """Whether any fault is armed."""
        return self._faults.armed

    def effect(self, fault: str, user: str, method: str = "", symbol: str = "") -> ArmedFault | None:
        """Return the fault of this name that fires, if one does."""
        return self._faults.effect(fault, user, method, symbol, self._venue)

    def active(self, fault: str, user: str = "", method: str = "", symbol: str = "") -> ArmedFault | None:
        """Return the fault of this name that is armed, without counting it as fired."""
        return self._faults.active(fault, user, method, symbol, self._venue)


class ArmedFaults:
    """All armed faults. `armed` is False in normal operation, which then costs nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._switches: list[ArmedFault] = []
        self.armed = False

    def arm(
        self,
        fault: str,
        *,
        user: str = "",
        venue: str = "",
        method: str = "",
        symbol: str = "",
        count: int | None = None,
        probability: float = 1.0,
        seconds: float | None = None,
        fraction: float = FRACTION,
        error: str = "",
        seed: int = 0,
    ) -> ArmedFault:
        """Arm a fault. Raises KeyError for an unknown name."""
        kind = FAULTS[fault]
        lasting = kind.seconds > 0
        switch = ArmedFault(
            fault=fault,
            user=user,
            venue=venue,
            method=method,
            symbol=symbol,
            left=count,
            probability=probability,
            seconds=kind.seconds if seconds is None else seconds,
            until=float("inf") if lasting or seconds is None else self._clock.now() + seconds,
            fraction=fraction,
            error=error,
            rng=random.Random(seed),  # noqa: S311  # repeatable random numbers, not a secret
        )
        self._switches.append(switch)
        self.armed = True
        return switch

    def clear(self) -> None:
        """Disarm all faults."""
        self._switches.clear()
        self.armed = False

    def __iter__(self) -> Iterator[ArmedFault]:
        return iter(self._switches)

    def take(
        self, stages: frozenset[Stage], user: str, method: str, *, public: bool = False, venue: str = ""
    ) -> ArmedFault | None:
        """Return the fault that fires for this request at one of these stages. Public methods match only by name."""
        if not self.armed:
            return None
        now = self._clock.now()
        for switch in self._switches:
            if switch.kind.stage not in stages or (public and not switch.method):
                continue
            if switch.fits(user, method, "", now, venue) and switch.strike():
                return switch
        return None

    def effect(self, fault: str, user: str, method: str = "", symbol: str = "", venue: str = "") -> ArmedFault | None:
        """Return the fault of this name that fires, if one does."""
        found = self.active(fault, user, method, symbol, venue)
        return found if found is not None and found.strike() else None

    def active(
        self, fault: str, user: str = "", method: str = "", symbol: str = "", venue: str = ""
    ) -> ArmedFault | None:
        """Return the fault of this name that is armed, without counting it as fired."""
        if not self.armed:
            return None
        now = self._clock.now()
        for switch in self._switches:
            if switch.fault == fault and switch.fits(user, method or switch.method, symbol, now, venue):
                return switch
        return None
