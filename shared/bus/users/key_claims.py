"""Records which user trades with which API key, across processes and hosts: two users with one key would share one account.

A claim counts while the claimant's lease exists under the fencing token with which the claim was made. So a claim ends by itself
when its user is renamed, is served with another key, or is no longer served. Only fingerprints are written.

A user who is refused for another one's claim disputes the key: that refuses the other one as well, because which of the two has
the wrong key is not known. A dispute is no claim: it does not say that its user has ever traded with the key.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from shared.bus.client.refusals import meaning
from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden
from shared.bus.ownership.lease import Lease
from shared.bus.state.records import pairs
from shared.contracts import keys

_DISPUTED: Final = "disputed:"
"""In front of the name of a user who disputes a key; no name of a user contains a colon."""


async def claim_key(bus: Bus, fingerprint: str, lease: Lease, *, again: bool = False) -> list[str]:
    """Claim a key for the holder of a lease; return the names of others who trade with it now. Raises BusUnavailable.

    The claim is written before the others' are read: of two concurrent claims each sees the other. `again`: this lease has
    claimed it before, so the key is listed among those that were served.
    """
    key = keys.api_key(fingerprint)
    answers = await bus.do_all([("HSET", key, lease.holder, lease.token), ("HGETALL", key)])
    for answer in answers:
        if isinstance(answer, Exception):
            raise meaning(answer)
    if not again:
        with suppress(BusForbidden):  # rights of an older version: then only the nonces that are shown are incomplete
            await bus.do("HSET", keys.SERVED_KEYS, f"{lease.holder} {fingerprint}", time.time_ns() // 1_000_000)
    return await _live(bus, pairs(answers[1]), lease.holder)


async def dispute_key(bus: Bus, fingerprint: str, lease: Lease) -> list[str]:
    """Return the names of others who trade with a key or dispute it; dispute it if there are any. Raises BusUnavailable."""
    if others := await find_claimants(bus, fingerprint, lease.holder):
        await bus.do("HSET", keys.api_key(fingerprint), _DISPUTED + lease.holder, lease.token)
    return others


async def has_claimed(bus: Bus, fingerprint: str, user: str) -> bool:
    """Return whether a user has ever claimed a key. Raises BusUnavailable."""
    return await bus.do("HGET", keys.api_key(fingerprint), user) is not None


async def find_claimants(bus: Bus, fingerprint: str, holder: str) -> list[str]:
    """Return the names of others than `holder` who claim or dispute a key now; write nothing. Raises BusUnavailable."""
    return await _live(bus, pairs(await bus.do("HGETALL", keys.api_key(fingerprint))), holder)


async def _live(bus: Bus, found: Mapping[str, str], holder: str) -> list[str]:
    claims = [(field.removeprefix(_DISPUTED), token) for field, token in sorted(found.items())]
    others = [(name, token) for name, token in claims if name != holder]
    if not others:
        return []
    asked = [
        (command, key(name)) for name, _ in others for command, key in (("EXISTS", keys.lease), ("GET", keys.fence))
    ]
    answers = await bus.do_all(asked)
    live = [
        name
        for number, (name, token) in enumerate(others)
        if answers[2 * number] == 1 and answers[2 * number + 1] == token
    ]
    return sorted(set(live))
