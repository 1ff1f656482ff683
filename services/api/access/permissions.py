"""What each role may reach, before any route is asked. Whatever is not listed here is closed: a new route begins closed.

Routes check the role again where they change something (`identity.at_least`). A follower reaches only what is below their own
user, so no route can show another user's data by mistake.
"""

from __future__ import annotations

from typing import Final

from services.api.access.identity import Identity, Role

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
LINK: Final = "/link"
STYLE: Final = "/access.css"
SESSION: Final = "/session"
"""Who is signed in, and the token for changes, as JSON."""
HEALTH: Final = frozenset({"/healthz", "/readyz"})
"""Open to all; they say nothing private without a session."""
_STATIC: Final = "/static/"
"""Scripts and styles, the same for everybody."""
_OF_USERS: Final = ("/users", "/api/users")
"""Below `<one of these>/<user>` is what belongs to one user."""
_OWN: Final = frozenset({SIGN_OUT, SESSION})
"""What everybody who is signed in may use, whatever their role."""
_FOLLOWER_ACTIONS: Final = frozenset({"pause", "flatten"})
"""What a follower may do with their own account: the last part of the path."""


def is_public(path: str) -> bool:
    """Return whether a path needs no session."""
    return path in {SIGN_IN, STYLE, LINK, "/favicon.ico", *HEALTH} or path.startswith((f"{LINK}/", _STATIC))


def is_static(path: str) -> bool:
    """Return whether a path is the same for everybody, and may be kept by browsers."""
    return path == STYLE or path.startswith(_STATIC)


def home_of(identity: Identity) -> str:
    """Return the first page of a person."""
    return f"{_OF_USERS[0]}/{identity.user}" if identity.role is Role.FOLLOWER else "/"


def refusal(identity: Identity, method: str, path: str) -> str:
    """Return why a person may not do this; an empty string if the route may be asked."""
    if path in _OWN or is_public(path):
        return ""
    if identity.role is Role.VIEWER:
        return "" if method in SAFE else "this needs the role operator"
    if identity.role is Role.OPERATOR:
        return ""
    parts = _below_own_user(identity, path)
    if parts is None:
        return "followers see their own account only"
    if method not in SAFE and not (method == "POST" and parts and parts[-1] in _FOLLOWER_ACTIONS):
        return "followers may pause and sell their own copies only"
    return ""


def _below_own_user(identity: Identity, path: str) -> list[str] | None:
    """Return the parts of a path below the follower's own user; None if it is elsewhere."""
    for root in _OF_USERS:
        own = f"{root}/{identity.user}"
        if identity.user and (path == own or path.startswith(f"{own}/")):
            parts = path[len(own) :].strip("/").split("/")
            return None if {".", ".."} & set(parts) else [part for part in parts if part]
    return None
