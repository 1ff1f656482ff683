"""Changes that another site makes a browser send (CSRF)."""

from __future__ import annotations

import aiohttp
import pytest
from fastapi import FastAPI, Request

from services.api.access.identity import identity_of
from shared.bus.connection import Bus
from shared.sign_in.role import Role
from tests.support.signed_in import PASSWORD, Browser, Site, running_site

OWN = {"sec-fetch-site": "same-origin"}


def add_change(app: FastAPI) -> None:
    """Add a route that changes something, as other parts of the API have."""

    @app.post("/change")
    @app.put("/change")
    @app.delete("/change")
    @app.patch("/change")
    async def change(request: Request) -> dict[str, str]:
        form = await request.form()
        return {"by": identity_of(request).name, "value": str(form.get("value", ""))}


async def test_the_sign_in_itself_needs_the_token_of_its_form(site: Site) -> None:
    await site.person()
    other = await site.browser().csrf()  # another browser's: foreign
    browser = site.browser()
    own = await browser.csrf()
    for given in ({}, {"csrf": ""}, {"csrf": other}, {"csrf": own[:-1]}, {"csrf": own.upper()}):
        reply = await browser.post("/sign-in", name="operator", password=PASSWORD, **given)
        assert reply.status == 403, given
        assert reply.cookies == []
    assert (await browser.post("/sign-in", name="operator", password=PASSWORD, csrf=own)).status == 303


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_change_needs_the_token_of_its_own_session(bus: Bus, method: str) -> None:
    async with running_site(bus, add_change) as site:
        browser = await site.signed_in("anna")
        foreign = await (await site.signed_in("boris")).session_csrf()
        own = await browser.session_csrf()
        for token in ("", foreign, own[1:], "é"):
            for headers, form in (
                ({**OWN, "x-csrf-token": token.encode().decode("latin-1")}, {"value": "7"}),
                (OWN, {"value": "7", "csrf": token}),
            ):
                assert (await browser.ask(method, "/change", headers, form)).status == 403, (token, form)
        assert (await browser.ask(method, "/change", OWN, {"value": "7"})).status == 403
        reply = await browser.ask(method, "/change", OWN, {"value": "7", "csrf": own})
        assert (reply.status, reply.text) == (200, '{"by":"anna","value":"7"}')  # the body is there for the route
        assert (await browser.ask(method, "/change", {**OWN, "x-csrf-token": own}, {"value": "7"})).status == 200


async def test_strangers_cannot_send_large_bodies_by_putting_the_token_into_a_header(site: Site) -> None:
    await site.person()
    browser = site.browser()
    headers = {**OWN, "x-csrf-token": await browser.csrf()}
    form = {"name": "operator", "password": PASSWORD}
    assert (await browser.ask("POST", "/sign-in", headers, form)).status == 403
    parts = aiohttp.FormData(form, default_to_multipart=True)
    async with browser.session.post("/sign-in", data=parts, headers=headers) as answer:
        assert answer.status == 403


async def test_two_tokens_are_none_and_a_json_body_has_none(bus: Bus) -> None:
    async with running_site(bus, add_change) as site:
        browser = await site.signed_in()
        own = await browser.session_csrf()
        for body, kind in (
            (f"csrf={own}&csrf={own}", "application/x-www-form-urlencoded"),
            (f'{{"csrf": "{own}"}}', "application/json"),
            (f"csrf={own}", "text/plain"),
            ("&".join("a=1" for _ in range(2000)) + f"&csrf={own}", "application/x-www-form-urlencoded"),
        ):
            async with browser.session.post("/change", data=body, headers={**OWN, "content-type": kind}) as answer:
                assert answer.status == 403, kind
        async with browser.session.post(
            "/change", data="a=" + "x" * 300_000, headers={**OWN, "content-type": "application/x-www-form-urlencoded"}
        ) as answer:
            assert answer.status == 413


async def test_what_another_site_sends_is_refused_even_with_the_token(bus: Bus) -> None:
    async with running_site(bus, add_change, api_hosts=("shoal.example",), api_url="https://page.example:8443") as site:
        browser = await site.signed_in()
        token = {"x-csrf-token": await browser.session_csrf()}
        own = site.origin
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "cross-site", "origin": own},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": "null", "sec-fetch-site": "cross-site"},
            {"origin": "null", "sec-fetch-site": "none"},
            {"origin": f"{own}.evil.example"},
            {"origin": own.replace("127.0.0.1", "127.0.0.1@evil.example")},
            {"origin": f"http://127.0.0.1:{site.port - 1}"},
            {"origin": "http://127.0.0.1"},
            {"origin": "http://shoal.example"},
            {"origin": "https://shoal.example:8443"},
            {"origin": "https://page.example"},
            {"origin": ""},
        ):
            reply = await browser.ask("POST", "/change", {**token, **headers})
            assert reply.status == 403, headers
        for headers in (
            {},
            {"sec-fetch-site": "none"},
            {"sec-fetch-site": "same-origin", "origin": own},
            {"sec-fetch-site": "same-origin", "origin": "null"},
            {"origin": own.upper()},
            {"origin": "https://shoal.example"},
            {"origin": "https://page.example:8443"},
        ):
            reply = await browser.ask("POST", "/change", {**token, **headers})
            assert reply.status == 200, headers


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_a_viewer_changes_nothing(bus: Bus, role: Role) -> None:
    async with running_site(bus, add_change) as site:
        browser = await site.signed_in("anna", role)
        token = {"x-csrf-token": await browser.session_csrf()}
        reply = await browser.ask("POST", "/change", {**OWN, **token})
        assert reply.status == (200 if role is Role.OPERATOR else 403)
        assert await browser.status() == 200


async def test_where_no_sign_in_is_needed_changes_still_need_their_token(bus: Bus) -> None:
    """The demo: any page that a browser has open could send forms to 127.0.0.1."""
    async with running_site(bus, add_change, api_sign_in="off") as site:
        browser: Browser = site.browser()
        assert (await browser.post("/change", value="7")).status == 403
        assert (await browser.get("/")).status == 200
        token = await browser.session_csrf()
        assert (await browser.post("/change", value="7", csrf=token)).text == '{"by":"local","value":"7"}'
        stranger = site.browser()
        await stranger.get("/")
        assert (await stranger.post("/change", value="7", csrf=token)).status == 403
        evil = {"sec-fetch-site": "cross-site", "x-csrf-token": token}
        assert (await browser.ask("POST", "/change", evil)).status == 403
