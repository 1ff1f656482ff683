"""One-time links for followers: 15 minutes, one use, one account.

A link must never work twice: it is deleted in the same step in which it is read. Opening its page uses nothing up, because
messengers open links to preview them; the button on the page does.
"""

from __future__ import annotations

import json
from typing import Final

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.sign_in.people import new_generation
from shared.sign_in.secret_tokens import digest, is_token, new_token

LIFE_MS: Final = 15 * 60 * 1000


def follower_holder(user: str) -> str:
    """Return the field in the hash of generations that belongs to a follower's sessions and links."""
    return f"follower:{user}"


class FollowerLinks:
    """Creates and redeems links. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def create(self, user: str) -> str:
        """Return the token of a new link for a user."""
        holder = follower_holder(user)
        await self._bus.do("HSETNX", keys.GENERATIONS, holder, new_generation())
        generation = str(await self._bus.do("HGET", keys.GENERATIONS, holder))
        token = new_token()
        record = json.dumps({"v": 1, "user": user, "generation": generation})
        await self._bus.do("SET", keys.follower_link(digest(token)), record, "PX", LIFE_MS)
        return token

    async def is_open(self, token: str) -> bool:
        """Return whether a link could be used now."""
        return is_token(token) and bool(await self._bus.do("EXISTS", keys.follower_link(digest(token))))

    async def redeem(self, token: str) -> tuple[str, str] | None:
        """Use a link up and return its user and generation; None if it was used, is too old, or was revoked."""
        if not is_token(token):
            return None
        text = await self._bus.do("GETDEL", keys.follower_link(digest(token)))
        try:
            found = json.loads(str(text or ""))
            user, generation = str(found["user"]), str(found["generation"])
        except (ValueError, KeyError, TypeError):
            return None
        current = await self._bus.do("HGET", keys.GENERATIONS, follower_holder(user))
        return (user, generation) if current == generation else None

    async def revoke(self, user: str) -> None:
        """End all sessions and unused links of a follower."""
        await self._bus.do("HSET", keys.GENERATIONS, follower_holder(user), new_generation())
