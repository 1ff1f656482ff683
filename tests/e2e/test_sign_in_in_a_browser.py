"""Signing in as a browser does it: cookies, policies and the origin of forms as Chromium handles them, without scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from playwright.async_api import Page

from services.api.access.identity import csrf_of, identity_of
from shared.bus.connection import Bus
from shared.sign_in.follower_links import FollowerLinks
from tests.support.chromium import chromium
from tests.support.signed_in import PASSWORD, running_site

_ATTACK: Final = '<form method="post" action="{}/users/alice/pause"><button>Win</button></form>'

changes: list[str] = []


def add_pages(app: FastAPI) -> None:
    """Add a page with a form, and what the form changes."""

    @app.get("/users/{user}/form")
    async def own(request: Request, user: str) -> HTMLResponse:
        form = f'<form method="post" action="/users/{user}/pause"><input type="hidden" name="csrf" value="{csrf_of(request)}">'
        return HTMLResponse(f"<!doctype html><h1>{user}</h1>{form}<button>Pause me</button></form>")

    @app.post("/users/{user}/pause")
    async def pause(request: Request, user: str) -> HTMLResponse:
        changes.append(f"{identity_of(request).name} pauses {user}")
        return HTMLResponse("<!doctype html><p>paused")


@asynccontextmanager
async def another_site(body: str) -> AsyncIterator[str]:
    """Serve a page of another site."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/html")

    app = web.Application()
    app.add_routes([web.get("/", show)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}/"  # another site than 127.0.0.1
    finally:
        await runner.cleanup()


async def sign_in(page: Page, name: str, password: str) -> None:
    await page.fill("#name", name)
    await page.fill("#password", password)
    await page.click("button")


async def statuses(page: Page) -> list[int]:
    """Collect the status of every answer of a page from now on."""
    found: list[int] = []
    page.on("response", lambda answer: found.append(answer.status))
    return found


async def test_a_person_signs_in_and_another_site_cannot_use_that(bus: Bus) -> None:
    changes.clear()
    async with running_site(bus, add_pages) as site, chromium() as browser:
        await site.person()
        page = await (await browser.new_context(java_script_enabled=False)).new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"{site.origin}/users/alice/form")
        await sign_in(page, "operator", "a wrong password")
        assert "The name or the password is wrong." in await page.inner_text("main")
        await sign_in(page, "operator", PASSWORD)
        assert (page.url, await page.inner_text("h1")) == (f"{site.origin}/users/alice/form", "alice")
        await page.click("button")
        assert changes == ["operator pauses alice"]
        assert not [text for text in complaints if "Content Security Policy" in text]
        async with another_site(_ATTACK.format(site.origin)) as evil:
            await page.goto(evil)
            await page.click("button")
            await page.wait_for_load_state()
            assert page.url == f"{site.origin}/sign-in"  # the cookie did not come with it
        assert changes == ["operator pauses alice"]
        await page.goto(f"{site.origin}/users/alice/form")  # and the session is still there
        assert await page.inner_text("h1") == "alice"


async def test_another_site_cannot_use_the_demo_which_needs_no_sign_in(bus: Bus) -> None:
    changes.clear()
    async with running_site(bus, add_pages, api_sign_in="off") as site, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{site.origin}/users/alice/form")
        await page.click("button")
        assert changes == ["local pauses alice"]
        async with another_site(_ATTACK.format(site.origin)) as evil:
            answers = await statuses(page)
            await page.goto(evil)
            await page.click("button")
            await page.wait_for_load_state()
            assert answers[-1] == 403
        assert changes == ["local pauses alice"]


async def test_a_follower_opens_a_link_on_a_phone_and_comes_back_by_it(bus: Bus) -> None:
    changes.clear()
    async with running_site(bus, add_pages) as site, chromium() as browser:
        link = f"{site.origin}/link/{await FollowerLinks(bus).create('alice')}"
        phone = await browser.new_context(viewport={"width": 400, "height": 800}, java_script_enabled=False)
        page = await phone.new_page()
        await page.goto(link)
        await page.click("button")
        assert page.url == f"{site.origin}/users/alice"
        await page.goto(f"{site.origin}/users/alice/form")
        await page.click("button")
        assert changes == ["alice pauses alice"]
        async with another_site(f'<a href="{link}">your account</a>') as message:
            await page.goto(message)
            await page.click("a")
            await page.wait_for_load_state()
        assert page.url == f"{site.origin}/users/alice"
        refused = await page.goto(f"{site.origin}/users/bob")
        assert refused is not None
        assert refused.status == 403
        other = await (await browser.new_context()).new_page()
        used = await other.goto(link)
        assert used is not None
        assert used.status == 410
        assert "was used" in await other.inner_text("main")
