"""Who reaches which route. A route that is added without a decision here fails."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import aiohttp
import pytest

from shared.bus.connection import Bus
from shared.sign_in.role import Role
from tests.integration.api.access.test_followers import two_users
from tests.support.app_routes import all_routes, fill
from tests.support.signed_in import Browser, running_site


class Reach(StrEnum):
    """Who may ask a route."""

    ALL = "all"
    """Everybody, signed in or not: it says nothing private."""
    SIGNED_IN = "signed in"
    OWN = "own"
    """Viewers and operators; followers where it is about their own account."""
    OWN_ACTION = "own action"
    """Operators; followers where it is about their own account."""
    STAFF = "staff"
    """Viewers and operators."""
    OPERATORS = "operators"


DECISIONS: Final = {
    "GET /": Reach.STAFF,
    "GET /access.css": Reach.ALL,
    "GET /actions/{action}": Reach.OPERATORS,
    "POST /actions/{action}": Reach.OPERATORS,
    "GET /api/users/{user}/actions/{action}": Reach.OWN_ACTION,
    "POST /api/users/{user}/actions/{action}": Reach.OWN_ACTION,
    "GET /confirm/{action}": Reach.OPERATORS,
    "GET /control-log": Reach.STAFF,
    "GET /healthz": Reach.ALL,
    "GET /link/{token}": Reach.ALL,
    "POST /link": Reach.ALL,
    "GET /metrics": Reach.STAFF,
    "GET /openapi.json": Reach.STAFF,
    "HEAD /openapi.json": Reach.STAFF,
    "GET /operations": Reach.STAFF,
    "GET /operations/orders/{user}/{order}": Reach.OPERATORS,
    "GET /price/{base}/{quote}": Reach.STAFF,
    "GET /price/{base}/{quote}/events": Reach.STAFF,
    "GET /price/{base}/{quote}/series": Reach.STAFF,
    "GET /prices": Reach.STAFF,
    "GET /readyz": Reach.ALL,
    "GET /session": Reach.SIGNED_IN,
    "GET /sign-in": Reach.ALL,
    "POST /sign-in": Reach.ALL,
    "POST /sign-out": Reach.SIGNED_IN,
    "GET /signals": Reach.STAFF,
    "GET /signals/{wanted}": Reach.STAFF,
    "GET /static": Reach.ALL,
    "GET /status": Reach.STAFF,
    "GET /tape": Reach.STAFF,
    "GET /tape/events": Reach.STAFF,
    "GET /tape/{entry_id}": Reach.STAFF,
    "GET /users": Reach.STAFF,
    "GET /users/{user}": Reach.OWN,
    "GET /users/{user}/confirm/{action}": Reach.OWN_ACTION,
    "GET /users/{user}/equity": Reach.OWN,
    "GET /users/{user}/events": Reach.OWN,
    "GET /users/{user}/settings": Reach.OPERATORS,
    "GET /users/{user}/what-if": Reach.OWN,
}
"""By method and path."""
_FOLLOWERS: Final = frozenset({"own", "own action"})
_MAY: Final[dict[str, Callable[[Reach, bool], bool]]] = {
    "stranger": lambda reach, own: reach is Reach.ALL,
    "follower": lambda reach, own: reach in {Reach.ALL, Reach.SIGNED_IN} or (own and reach in _FOLLOWERS),
    "viewer": lambda reach, own: reach not in {Reach.OWN_ACTION, Reach.OPERATORS},
    "operator": lambda reach, own: True,
}


def test_every_route_has_a_decision_about_roles() -> None:
    assert {f"{method} {path}" for method, path in all_routes()} == set(DECISIONS)


async def is_refused(browser: Browser, method: str, path: str, csrf: str) -> bool:
    """Return whether a request is refused for who asks; a long answer is not read."""
    headers = {"x-csrf-token": csrf, "content-type": "application/json"}
    async with browser.session.request(
        method, path, headers=headers, data=b"{}", allow_redirects=False, timeout=aiohttp.ClientTimeout(60)
    ) as answer:
        return answer.status in {401, 403}


@pytest.mark.parametrize("who", list(_MAY))
async def test_each_role_reaches_what_was_decided_and_nothing_else(bus: Bus, who: str) -> None:
    signal = await two_users(bus)
    async with running_site(bus) as site:
        match who:
            case "stranger":
                browser, csrf = site.browser(), ""
            case "follower":
                browser = await site.follower("alice")
                csrf = await browser.session_csrf()
            case _:
                browser = await site.signed_in("anna", Role(who))
                csrf = await browser.session_csrf()
        wrong = []
        ending = "POST /sign-out"
        for name, reach in sorted(DECISIONS.items(), key=lambda each: each[0] == ending):  # which comes last
            method, template = name.split(" ")
            values = {"user": ["alice", "bob"], "action": ["pause", "flatten"]}
            for path in fill(template, values, [signal, "BTC", "no-such-token"]):
                if reach is Reach.ALL and method == "POST":
                    continue  # forms, whose token is in the form alone: see test_forged_changes.py
                path = f"{path}/app.css" if template == "/static" else path  # noqa: PLW2901  # a folder, which is no page
                refused = await is_refused(browser, method, path, csrf)
                if refused is _MAY[who](reach, "bob" not in path):
                    wrong.append((method, path, reach, refused))
        assert wrong == []


@pytest.mark.parametrize("who", [Role.VIEWER, Role.FOLLOWER])
async def test_beside_their_own_two_actions_nothing_that_changes_is_possible(bus: Bus, who: Role) -> None:
    """Every action, also those that are added later, by every method that changes something."""
    async with running_site(bus) as site:
        browser = await (site.follower("alice") if who is Role.FOLLOWER else site.signed_in("vera", who))
        csrf = await browser.session_csrf()
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for template in sorted({path for _, path in all_routes()} - {"/sign-in", "/sign-out", "/session", "/link"}):
                for path in fill(
                    template, {"user": ["bob"], "action": ["pause", "resume", "settings"]}, ["x", "kraken"]
                ):
                    if path.startswith(("/static", "/link", "/access.css", "/healthz", "/readyz")):
                        continue
                    assert await is_refused(browser, method, path, csrf), (method, path)
