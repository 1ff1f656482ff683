"""Programs: bearer tokens, and what is open without one."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI, Request

from services.api.access.identity import identity_of
from shared.bus.connection import Bus
from shared.sign_in.access_tokens import AccessToken, AccessTokens
from shared.sign_in.role import Role
from tests.integration.api.access.test_followers import _OF_BOB, two_users
from tests.support.signed_in import Site, running_site


async def token(bus: Bus, name: str = "prometheus", role: Role = Role.VIEWER) -> dict[str, str]:
    made = await AccessTokens(bus).create(AccessToken(name, role, "test", 1))
    assert made is not None
    return {"authorization": f"Bearer {made}"}


async def test_a_token_reads_metrics_and_json_until_it_is_revoked(site: Site) -> None:
    bearer, browser = await token(site.bus), site.browser()
    for path in ("/metrics", "/status", "/signals", "/readyz", "/session"):
        assert (await browser.ask("GET", path, bearer)).status in {200, 503}, path
    assert (await browser.ask("GET", "/metrics", {"authorization": bearer["authorization"].lower()})).status == 401
    assert await AccessTokens(site.bus).revoke("prometheus")
    assert (await browser.ask("GET", "/metrics", bearer)).status == 401
    assert await AccessTokens(site.bus).create(AccessToken("x", Role.VIEWER, "", 1)) is not None
    assert await AccessTokens(site.bus).create(AccessToken("x", Role.VIEWER, "", 1)) is None


@pytest.mark.parametrize("given", ["", "x", "shoal_", "shoal_" + "A" * 43, "../people", "é" * 40])
async def test_a_made_up_token_is_refused_also_beside_a_session(site: Site, given: str) -> None:
    browser = await site.signed_in()
    header = {"authorization": f"Bearer {given}".encode().decode("latin-1")}
    assert (await browser.ask("GET", "/metrics", header)).status == 401
    assert (await browser.ask("GET", "/sign-in", header)).status == 401
    assert (await browser.ask("GET", "/healthz", header)).status == 200
    assert (await browser.ask("GET", "/metrics", {"authorization": "Basic eDp5"})).status == 200  # of a proxy in front


def add_change(app: FastAPI) -> None:
    """Add a route that changes something."""

    @app.post("/change")
    async def change(request: Request) -> str:
        return identity_of(request).name


async def test_a_program_acts_by_its_role_without_the_token_of_a_form(bus: Bus) -> None:
    async with running_site(bus, add_change) as site:
        browser = site.browser()
        operator = await token(bus, "script", Role.OPERATOR)
        assert (await browser.ask("POST", "/change", operator)).text == '"token script"'
        assert (await browser.ask("POST", "/change", await token(bus))).status == 403
        assert (await browser.ask("POST", "/change")).status == 401


async def test_health_is_open_and_says_nothing_private(bus: Bus) -> None:
    await two_users(bus)
    async with running_site(bus) as site:
        for browser in (site.browser(), await site.follower("alice")):
            assert (await browser.ask("GET", "/healthz")).text == '{"status":"alive"}'
            answer = await browser.ask("GET", "/readyz")
            assert (answer.status, answer.text) == (503, '{"ready":false}')
        answer = await (await site.signed_in()).ask("GET", "/readyz")
        assert "bob" in json.loads(answer.text)["users_parked"]


async def test_without_redis_nobody_is_let_in_and_health_answers(site: Site) -> None:
    browser = await site.signed_in()
    await site.bus.do("SET", "shoal-access:{access}:generations", "of another type", "XX")
    answer = await browser.ask("GET", "/status")
    assert answer.status in {401, 503}
    assert not [word for word in _OF_BOB if word in answer.text]
    assert (await browser.ask("GET", "/healthz")).status == 200
