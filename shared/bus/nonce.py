"""Nonces of one API key: an atomic counter in Redis, fenced by the owner's token."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.lease import Lease
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

    async def next(self, *, advance: int = 0) -> int:
        """Allocate the next nonce. Raises LeaseLost if another process has the lease, BusUnavailable if Redis does not answer."""
        answer = await self._bus.run(
            load("next_nonce"), [keys.fence(self._lease.holder), self.key], [self._lease.token, self.floor, advance]
        )
        if not answer:
            raise LeaseLost(f"another process serves {self._lease.holder} now")
        return self.used(int(answer))

    def used(self, nonce: int) -> int:
        """Remember a nonce that was allocated, here or by `begin_send`; return it."""
        self.floor = max(self.floor, nonce)
        return nonce
