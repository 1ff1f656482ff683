"""Nonces of one API key: an atomic counter in Redis, fenced by the owner's token."""

from __future__ import annotations

from collections import deque

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.ownership.lease import Lease
from shared.bus.scripts import load
from shared.contracts import keys


class NonceCounter:
    """The nonces of one key under one lease. Remembers the highest that it allocated, so that a lost write cannot repeat one."""

    def __init__(self, bus: Bus, lease: Lease, user: str, fingerprint: str, *, floor: int) -> None:
        """`floor` is the clock in microseconds at the takeover: above all that a predecessor used, lost writes included."""
        self._bus = bus
        self._lease = lease
        self.key = keys.nonce(user, fingerprint)
        self.floor = floor
        self._spare: deque[int] = deque()
        """Taken along with the last nonce that a script gave out, and not used yet."""

    async def next(self, *, advance: int = 0) -> int:
        """Allocate the next nonce. Raises LeaseLost if another process has the lease, BusUnavailable if Redis does not answer."""
        if self._spare and not advance and self._lease.remaining > 0:
            return self._use(self._spare.popleft())
        answer = await self._bus.run(
            load("next_nonce"), [keys.fence(self._lease.holder), self.key], [self._lease.token, self.taken, advance]
        )
        if not answer:
            raise LeaseLost(f"another process serves {self._lease.holder} now")
        return self.used(int(answer))

    @property
    def taken(self) -> int:
        """The highest nonce below which none may be allocated: those allocated in advance count."""
        return self._spare[-1] if self._spare else self.floor

    def used(self, nonce: int, spare: int = 0) -> int:
        """Remember a nonce that a script allocated, and the `spare` ones after it, which replace those left of an earlier one.

        Spare nonces are for questions alone: a question that is asked with one after the lease was lost is void at the venue.
        """
        self._spare = deque(range(nonce + 1, nonce + spare + 1))
        return self._use(nonce)

    def _use(self, nonce: int) -> int:
        self.floor = max(self.floor, nonce)
        return nonce
