"""Who asks: the role of a request, as pages and routes see it.

The access middleware sets `request.state.identity` and `request.state.csrf` before any route runs. It must never be guessed: a
request without an identity gets nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import HTTPException, Request

from shared.sign_in.role import Role

__all__ = ["Identity", "Role", "at_least", "csrf_of", "identity_of", "sees_everything"]


_RANK: Final = {Role.FOLLOWER: 0, Role.VIEWER: 1, Role.OPERATOR: 2}


@dataclass(frozen=True, slots=True)
class Identity:
    """A person. `user` is the one copied account of a follower, and empty for others."""

    name: str
    role: Role
    user: str = ""

    def may_see(self, user: str) -> bool:
        """Return whether this person may see a user's account."""
        return self.role is not Role.FOLLOWER or self.user == user


def identity_of(request: Request) -> Identity:
    """Return who asks. Raises HTTPException 401 for a request without an identity."""
    identity = getattr(request.state, "identity", None)
    if not isinstance(identity, Identity):
        raise HTTPException(401, "sign in first")
    return identity


def at_least(role: Role) -> Callable[[Request], Identity]:
    """Return a dependency that lets only this role or a higher one pass; raises HTTPException 401 or 403."""

    def check(request: Request) -> Identity:
        identity = identity_of(request)
        if _RANK[identity.role] < _RANK[role]:
            raise HTTPException(403, f"this needs the role {role}")
        return identity

    return check


def sees_everything(request: Request) -> bool:
    """Return whether the person may see all users; False for a request without an identity."""
    identity = getattr(request.state, "identity", None)
    return isinstance(identity, Identity) and identity.role is not Role.FOLLOWER


def csrf_of(request: Request) -> str:
    """Return the token that every form carries in `csrf`, and every other change in the header X-CSRF-Token."""
    return str(getattr(request.state, "csrf", ""))
