"""How often an address may connect, and a connection may speak.

150 connects per rolling 10 minutes and address, then none for about 10 minutes (Cloudflare in front of Kraken; KRAKEN.md, K33).
For messages no number is published: more than 100 within a second are refused here, which no client at its work sends.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

CONNECTS: Final = 150
WINDOW: Final = 600.0
BAN: Final = 600.0
MESSAGES: Final = 100
SECOND: Final = 1.0


class ConnectLimit:
    """The connects of each address. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self._connects: defaultdict[str, deque[float]] = defaultdict(deque)
        self._banned: dict[str, float] = {}

    def admits(self, address: str, now: float) -> bool:
        """Count a connect. Return whether it is admitted."""
        if now < self._banned.get(address, 0.0):
            return False
        connects = self._connects[address]
        while connects and connects[0] <= now - WINDOW:
            connects.popleft()
        if len(connects) >= CONNECTS:
            self._banned[address] = now + BAN
            return False
        connects.append(now)
        return True


class MessageLimit:
    """The messages of one connection."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque(maxlen=MESSAGES)

    def admits(self, now: float) -> bool:
        """Count a message. Return whether it is admitted."""
        if len(self._sent) == MESSAGES and self._sent[0] > now - SECOND:
            return False
        self._sent.append(now)
        return True
