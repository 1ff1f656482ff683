"""Conditions that an account must meet before it trades, beside the venue's own: checked at each reading, before the venue is
called.

A gate that refuses parks the account with the reason; the account trades again by itself once the reason is gone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.ownership.lease import Lease
from shared.bus.users.key_claims import claim_key, dispute_key
from shared.domain.account import is_master
from shared.domain.fault import FaultKind, Faults

Gate = Callable[[], Awaitable[None]]
"""Returns if the account may trade, else raises GateRefusal."""
RETRY: Final = 3.0
"""Seconds until a gate that refused is checked again: a read or two in Redis."""

log = structlog.get_logger()


def subject(user: str, what: object) -> str:
    """Return the subject of a fault of one user's account, by which it is cleared when their turn ends."""
    return f"{user}: {what}"


class GateRefusal(Exception):  # noqa: N818  # a state of the account, not an error
    """The account may not trade, and why. `books_lost`: what it holds from copying is not known."""

    def __init__(self, reason: str, *, books_lost: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.books_lost = books_lost


class KeyGate:
    """Refuses while another account trades with the same API key, on any host; that one is refused by the same rule."""

    def __init__(self, bus: Bus, lease: Lease, fingerprint: str, faults: Faults) -> None:
        self._bus = bus
        self._lease = lease
        self._fingerprint = fingerprint
        self._faults = faults
        self._claimed = False

    async def look(self) -> None:
        """Check for other claims before the first call of the venue, and dispute them. Raises GateRefusal, BusUnavailable.

        A call with the key of another process would cost that one's calls their nonces.
        """
        if not self._claimed:  # else `check` comes before the call
            self._judge(await dispute_key(self._bus, self._fingerprint, self._lease))

    async def check(self) -> None:
        """Claim the key, and check for other claims. Raises GateRefusal, BusUnavailable."""
        again, self._claimed = self._claimed, False
        self._judge(await claim_key(self._bus, self._fingerprint, self._lease, again=again))
        self._claimed = True

    def _judge(self, others: Sequence[str]) -> None:
        user = self._lease.holder
        if not others:
            self._faults.clear(FaultKind.KEY, subject(user, "API key"))
            return
        whose = "the master" if any(map(is_master, others)) else ", ".join(others)
        reason = (
            f"the API key with the fingerprint {self._fingerprint} is also {whose}'s: two accounts in Shoal would be one at the "
            f"exchange; every account needs its own key, and until then nothing is traded for {user}"
        )
        if self._faults.report(FaultKind.KEY, subject(user, "API key"), reason):
            log.error("one API key for two accounts", user=user, others=others, key=self._fingerprint)
        raise GateRefusal(reason)
