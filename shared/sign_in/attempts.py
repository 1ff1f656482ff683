"""Counts attempts to sign in, per address and per name, in Redis: a restart of the api forgets none.

An attempt is counted before the password is looked at, so that a hundred at once are a hundred. The bound per name is above the
one per address: a single stranger must not be able to lock a person out. Many addresses together can, and behind a proxy all have
one; so a browser in which the person has signed in before (`known_browsers.py`) has a count of its own instead. Names are stored
as hashes, because people type passwords into the field for the name.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv6Address, ip_address
from typing import Final

from shared.bus.connection import Bus
from shared.bus.scripts import load
from shared.contracts import keys

PER_ADDRESS: Final = 10
PER_NAME: Final = 30
PER_BROWSER: Final = 10
WINDOW_MS: Final = 15 * 60 * 1000
"""From the first attempt that counts."""
_COUNT: Final = load("count_attempt")


class Attempts:
    """The counters. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def admit(self, name: str, address: str, browser: str = "") -> int:
        """Count an attempt; return 0 if it may go on, else the seconds until the next one may.

        `browser`: the hash of the token of a browser that this person has used before; an empty string for others.
        """
        waits = []
        bounds = [(_of_address(address), PER_ADDRESS), (_of_name(name), PER_NAME)]
        for key, most in [(_of_browser(browser), PER_BROWSER)] if browser else bounds:
            count, left = await self._bus.run(_COUNT, [key], [WINDOW_MS])
            if int(count) > most:
                waits.append(int(left))
                break  # a refused address must not use up the attempts of a name
        return -(-max(waits, default=0) // 1000)

    async def forget(self, name: str, address: str = "", browser: str = "") -> None:
        """Forget the attempts of a name, an address and a known browser, after a success or a change of the password."""
        await self._bus.do("DEL", _of_name(name))
        if address:
            await self._bus.do("DEL", _of_address(address))
        if browser:
            await self._bus.do("DEL", _of_browser(browser))


def _of_browser(browser: str) -> str:
    return keys.attempts("browser", browser)


def _of_name(name: str) -> str:
    return keys.attempts("name", hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32])


def _of_address(address: str) -> str:
    return keys.attempts("address", _network(address))


def _network(address: str) -> str:
    """Return what counts as one address: a /64 of IPv6, which one customer of a provider has."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(getattr(found, "ipv4_mapped", None) or found)
