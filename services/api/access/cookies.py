"""The cookies: `shoal_session` of a signed-in person, `shoal_visit` of a browser without a session, to which forms are bound, and
`shoal_browser` of a browser in which somebody has signed in before.

All are HttpOnly. Over https all are Secure and have the prefix `__Host-`, so that no other host can set them.
"""

from __future__ import annotations

from typing import Final, Literal

from starlette.requests import HTTPConnection

SESSION: Final = "shoal_session"
VISIT: Final = "shoal_visit"
BROWSER: Final = "shoal_browser"

SameSite = Literal["Strict", "Lax"]


def came_by_https(connection: HTTPConnection) -> bool:
    """Return whether a request came by https, to this process or to a proxy in front of it.

    The header of a proxy is accepted from any client: a client that forges it gets a cookie that their own browser will not send.
    """
    forwarded = connection.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return connection.scope.get("scheme") == "https" or forwarded == "https"


def read_cookie(connection: HTTPConnection, name: str) -> str:
    """Return the value of a cookie; an empty string if there is none."""
    return connection.cookies.get(_full_name(name, https=came_by_https(connection)), "")


def write_cookie(name: str, value: str, *, https: bool, same_site: SameSite, max_age: int | None = None) -> str:
    """Return the Set-Cookie header; `max_age` in seconds, None until the browser closes."""
    parts = [f"{_full_name(name, https=https)}={value}", "Path=/", "HttpOnly", f"SameSite={same_site}"]
    if https:
        parts.append("Secure")
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    return "; ".join(parts)


def _full_name(name: str, *, https: bool) -> str:
    return f"__Host-{name}" if https else name
