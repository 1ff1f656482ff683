"""Sessions: a random token in a cookie, and in Redis a record under the token's hash.

A session ends by sign-out, when it is idle for too long, at its absolute end, and when the person's generation changes (another
password, another role, removal). The token itself must never be stored or logged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from services.api.access.identity import Identity, Role
from shared.bus.connection import Bus
from shared.bus.scripts import load
from shared.contracts import keys
from shared.sign_in.secret_tokens import digest, is_token, new_token

_HOUR_MS: Final = 3600 * 1000
_FIND: Final = load("find_session")


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Milliseconds until an idle session ends, and until any session ends."""

    idle: int
    absolute: int


STAFF: Final = Lifetime(_HOUR_MS, 24 * _HOUR_MS)
"""Of viewers and operators. A page that is open counts as use: its event stream asks for the session again and again."""
FOLLOWERS: Final = Lifetime(24 * _HOUR_MS, 7 * 24 * _HOUR_MS)
"""Of followers: a new link takes the operator's time, and they can only stop and sell their own copies."""


def lifetime_of(role: Role) -> Lifetime:
    """Return how long sessions of a role live."""
    return FOLLOWERS if role is Role.FOLLOWER else STAFF


class Sessions:
    """Starts, finds and ends sessions. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def start(self, identity: Identity, holder: str, generation: str) -> str:
        """Start a session and return its token. `holder` and `generation`: as in `shared/sign_in/people.py`."""
        life = lifetime_of(identity.role)
        seconds, micros = await self._bus.do("TIME")
        record = {
            "v": 1,
            "name": identity.name,
            "role": identity.role,
            "user": identity.user,
            "holder": holder,
            "generation": generation,
            "idle": life.idle,
            "until": int(seconds) * 1000 + int(micros) // 1000 + life.absolute,
        }
        token = new_token()
        await self._bus.do("SET", keys.session(digest(token)), json.dumps(record), "PX", life.idle)
        return token

    async def find(self, token: str) -> Identity | None:
        """Return whose session a token is, and put off its idle time-out; None if it is not, or no longer, one."""
        if not is_token(token):
            return None
        text = await self._bus.run(_FIND, [keys.session(digest(token)), keys.GENERATIONS], [])
        try:
            found = json.loads(str(text or ""))
            return Identity(str(found["name"]), Role(found["role"]), str(found["user"]))
        except (ValueError, KeyError, TypeError):
            return None

    async def end(self, token: str) -> None:
        """End a session."""
        if is_token(token):
            await self._bus.do("DEL", keys.session(digest(token)))
