"""What must be in order before an account trades, beside what the venue says: asked at each reading, before the venue is called.

A gate that is shut parks the account with its reason, and lets it in by itself once the reason is gone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.lease import Lease
from shared.bus.users.key_claims import claim_key
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults

Gate = Callable[[], Awaitable[None]]
"""Returns if the account may trade, and raises Withheld if not."""
RETRY: Final = 3.0
"""Seconds until a gate that was shut is asked again: a read or two in Redis."""

log = structlog.get_logger()


def subject(user: str, what: object) -> str:
    """Name what a fault of one user's account is about, so that it can be cleared when their turn ends."""
    return f"{user}: {what}"


class Withheld(Exception):  # noqa: N818  # a state of the account, named as one
    """The account may not trade, and why. `books_lost`: nobody knows what it holds from copying."""

    def __init__(self, reason: str, *, books_lost: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.books_lost = books_lost


class KeyGate:
    """Shut while somebody else trades with the same API key, in whatever process or host; theirs is shut by the same rule."""

    def __init__(self, bus: Bus, lease: Lease, fingerprint: str, faults: Faults) -> None:
        self._bus = bus
        self._lease = lease
        self._fingerprint = fingerprint
        self._faults = faults

    async def check(self) -> None:
        """Claim the key and look who else has. Raises Withheld, BusUnavailable."""
        user = self._lease.holder
        others = await claim_key(self._bus, self._fingerprint, self._lease)
        if not others:
            self._faults.clear(FaultKind.KEY, subject(user, "API key"))
            return
        whose = "the master" if MASTER in others else ", ".join(others)
        reason = (
            f"the API key with the fingerprint {self._fingerprint} is also {whose}'s: two accounts in Shoal would be one at the "
            f"exchange; every account needs its own key, and until then nothing is traded for {user}"
        )
        if self._faults.report(FaultKind.KEY, subject(user, "API key"), reason):
            log.error("one API key for two accounts", user=user, others=others, key=self._fingerprint)
        raise Withheld(reason)
