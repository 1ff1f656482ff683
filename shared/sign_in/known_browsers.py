"""Recognises a browser in which a person has signed in before, so that strangers' attempts cannot lock that person out there.

Attempts are counted per address and per name, and anybody can use those up: the name of the first operator is known, and behind a
proxy all visitors share an address. A browser with this token has a count of its own. The token opens nothing: the password is
asked for all the same, and a thief of it gains a few attempts.
"""

from __future__ import annotations

from typing import Final

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.sign_in.secret_tokens import digest, is_token, new_token

LASTS_MS: Final = 90 * 24 * 3600 * 1000
"""From the last sign-in in the browser."""


class KnownBrowsers:
    """The tokens of browsers, by person. Only hashes are stored. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def find(self, token: str, name: str) -> str:
        """Return the hash of a token if this person has signed in with it before, else an empty string."""
        if not is_token(token):
            return ""
        found = digest(token)
        return found if await self._bus.do("GET", keys.known_browser(found)) == name else ""

    async def remember(self, token: str, name: str) -> str:
        """Note a sign-in, and return the browser's token: the one that it has, or a new one if that is not this person's."""
        token = token if await self.find(token, name) else new_token()
        await self._bus.do("SET", keys.known_browser(digest(token)), name, "PX", LASTS_MS)
        return token
