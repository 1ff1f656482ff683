"""Leases with fencing tokens: who serves a user, who is the engine, who feeds the prices.

A lease only states who should act. It is safe because every script that changes orders, positions or nonces checks the token, and
because the venue refuses the older nonce. The owner's own clock stops it earlier: it starts nothing that its lease might not
outlive.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from shared.bus.client.wire import pack
from shared.bus.connection import Bus
from shared.bus.errors import BusError, LeaseLost
from shared.bus.scripts import Script, load
from shared.contracts import keys

TTL_MS: Final = 12_000
"""A dead owner is replaced within this plus one poll: under 20 s in all."""
RENEW_EVERY: Final = 3.0
"""Seconds between renewals: three may fail before the lease runs out."""


class Lease:
    """An acquired lease. `token` is its fencing token, `since` the Redis clock at its start (epoch ms)."""

    def __init__(
        self,
        bus: Bus,
        holder: str,
        owner: str,
        token: str,
        since: int,
        *,
        fresh: bool,
        expires: float,
        clock: Callable[[], float],
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._owner = owner
        self._expires = expires
        self._asked = 0.0
        self._command: bytes | None = None
        self._invalidated = False
        self.holder = holder
        self.token = token
        self.since = since
        self.fresh = fresh
        """No earlier owner is known: a first start, or Redis has lost its data."""

    @property
    def key(self) -> str:
        """Return the key of the lease."""
        return keys.lease(self.holder)

    @property
    def remaining(self) -> float:
        """Return the seconds for which the lease is certainly held, by this process's clock; negative after it has expired."""
        return self._expires - self._clock()

    def require(self, seconds: float) -> None:
        """Raise LeaseLost unless at least that many seconds are left."""
        if self.remaining < seconds:
            raise LeaseLost(
                f"the lease of {self.holder} has {max(self.remaining, 0):.1f} s left, {seconds:.1f} s are needed"
            )

    async def renew(self) -> None:
        """Renew it. Raises LeaseLost if another process has it now, BusUnavailable if Redis does not answer."""
        self._asked = self._clock()  # before the call: the server's count starts later, never earlier
        script, names, args = self._renewal()
        self.apply_renewal(await self._bus.run(script, names, args))

    def renewal_command(self) -> bytes:
        """Return the command that renews it, to be sent now; its answer must be passed to `apply_renewal`."""
        self._asked = self._clock()
        if self._command is None:
            script, names, args = self._renewal()
            self._command = pack(("EVALSHA", script.sha, len(names), *names, *args))
        return self._command

    def apply_renewal(self, held: int) -> None:
        """Apply the answer to `renewal_command`. Raises LeaseLost if another process has the lease or it was invalidated."""
        if self._invalidated:
            raise LeaseLost(f"the lease of {self.holder} was invalidated")
        if not held:
            self._expires = self._asked
            raise LeaseLost(f"another process serves {self.holder} now")
        self._expires = self._asked + TTL_MS / 1000

    def _renewal(self) -> tuple[Script, list[str], list[str | int]]:
        return (
            load("renew"),
            [keys.lease(self.holder), keys.fence(self.holder)],
            [self._owner, self.token, TTL_MS],
        )

    def invalidate(self) -> None:
        """Count it as lost from now on, whatever Redis says: nothing more may start under it."""
        self._invalidated = True
        self._expires = self._clock()

    async def release(self) -> None:
        """Release it, so that the next owner need not wait for its end; silent if Redis does not answer or refuses."""
        self.invalidate()
        try:
            await self._bus.run(
                load("release"), [keys.lease(self.holder), keys.fence(self.holder)], [self._owner, self.token]
            )
        except BusError:
            return  # it expires by itself


async def acquire(bus: Bus, holder: str, owner: str, clock: Callable[[], float] = time.monotonic) -> Lease | None:
    """Acquire the lease of `holder` for the process `owner`; None while another process holds it."""
    asked = clock()
    answer = await bus.run(load("acquire"), [keys.lease(holder), keys.fence(holder)], [owner, TTL_MS])
    if not answer:
        return None
    token, since, known = answer
    return Lease(
        bus, holder, owner, str(token), int(since), fresh=known == "new", expires=asked + TTL_MS / 1000, clock=clock
    )
