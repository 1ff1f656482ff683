"""Bearer tokens for programs: Prometheus, curl, scripts. Each has a name and a role; only its hash is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.sign_in.role import Role
from shared.sign_in.secret_tokens import digest, is_token, new_token

PREFIX: Final = "shoal_"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What is known of a token; `made_at` is in epoch ms."""

    name: str
    role: Role
    made_by: str
    made_at: int


class AccessTokens:
    """Creates, finds and revokes tokens. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def create(self, made: AccessToken) -> str | None:
        """Return a new token; None if there is one of this name."""
        if made.name in {each.name for each in await self.all()}:
            return None
        token = new_token(PREFIX)
        record = {"v": 1, "name": made.name, "role": made.role, "made_by": made.made_by, "made_at": made.made_at}
        await self._bus.do("HSET", keys.ACCESS_TOKENS, digest(token), json.dumps(record))
        return token

    async def find(self, token: str) -> AccessToken | None:
        """Return what is known of a token; None if it is not, or no longer, one."""
        if not is_token(token):
            return None
        return _read(await self._bus.do("HGET", keys.ACCESS_TOKENS, digest(token)))

    async def all(self) -> list[AccessToken]:
        """Return all tokens, by name."""
        found = pairs(await self._bus.do("HGETALL", keys.ACCESS_TOKENS)).values()
        return sorted((each for text in found if (each := _read(text))), key=lambda each: each.name)

    async def revoke(self, name: str) -> bool:
        """Revoke the token of a name; return whether there was one."""
        found = pairs(await self._bus.do("HGETALL", keys.ACCESS_TOKENS))
        fields = [field for field, text in found.items() if (each := _read(text)) and each.name == name]
        if fields:
            await self._bus.do("HDEL", keys.ACCESS_TOKENS, *fields)
        return bool(fields)


def _read(text: object) -> AccessToken | None:
    try:
        found = json.loads(str(text or ""))
        return AccessToken(str(found["name"]), Role(found["role"]), str(found["made_by"]), int(found["made_at"]))
    except (ValueError, KeyError, TypeError):
        return None
