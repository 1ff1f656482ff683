"""Records which user trades with which API key, across processes and hosts: two users with one key would share one account.

A claim counts while the claimant's lease exists under the fencing token with which the claim was made. So a claim ends by itself
when its user is renamed, is served with another key, or is no longer served. Only fingerprints are written.
"""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.lease import Lease
from shared.bus.records import pairs
from shared.contracts import keys


async def claim_key(bus: Bus, fingerprint: str, lease: Lease) -> list[str]:
    """Claim a key for the holder of a lease; return the names of others who trade with it now. Raises BusUnavailable.

    The claim is written before the others' are read: of two concurrent claims each sees the other.
    """
    await bus.do("HSET", keys.api_key(fingerprint), lease.holder, lease.token)
    return await find_claimants(bus, fingerprint, lease.holder)


async def find_claimants(bus: Bus, fingerprint: str, holder: str) -> list[str]:
    """Return the names of others than `holder` who trade with a key now; claims nothing. Raises BusUnavailable."""
    claims = pairs(await bus.do("HGETALL", keys.api_key(fingerprint)))
    others = {name: token for name, token in claims.items() if name != holder}
    if not others:
        return []
    names = sorted(others)
    asked = [(command, key(name)) for name in names for command, key in (("EXISTS", keys.lease), ("GET", keys.fence))]
    found = await bus.do_all(asked)
    return [
        name for number, name in enumerate(names) if found[2 * number] == 1 and found[2 * number + 1] == others[name]
    ]
