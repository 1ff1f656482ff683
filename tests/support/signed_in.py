"""An API that asks for sign-in, on a port of its own, and a browser that keeps its cookies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
from fastapi import FastAPI
from multidict import CIMultiDictProxy

from services.api.app import build
from services.api.server import build_server
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.runtime.http_server import bind, serve
from shared.sign_in.follower_links import FollowerLinks
from shared.sign_in.passwords import hash_password
from shared.sign_in.people import People
from shared.sign_in.role import Role
from tests.support.shipped_config import all_at_kraken

PASSWORD: Final = "correct horse battery staple"
HASHED: Final = hash_password(PASSWORD)
_CSRF: Final = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass(slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str
    cookies: list[str] = field(default_factory=list)

    @property
    def location(self) -> str:
        """Where it leads; an empty string if it leads nowhere."""
        return self.headers.get("Location", "")


class Browser:
    """Sends requests as a browser does: cookies, Origin and Sec-Fetch-Site of its own page."""

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        self.session = session
        self.origin = origin
        self.sent: list[str] = []
        """Every body and header that an answer had, for tests that look for what must not be in one."""

    async def get(self, path: str, **headers: str) -> Reply:
        """Open a page."""
        return await self.ask("GET", path, {"accept": "text/html", **_named(headers)})

    async def post(self, path: str, **fields: str) -> Reply:
        """Send a form of our own page."""
        return await self.ask("POST", path, {"origin": self.origin, "sec-fetch-site": "same-origin"}, fields)

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, form: dict[str, str] | None = None
    ) -> Reply:
        """Send any request; redirects are not followed."""
        async with self.session.request(
            method, path, headers=headers, data=form, allow_redirects=False, timeout=aiohttp.ClientTimeout(60)
        ) as answer:
            text = (await answer.read()).decode("utf-8", "replace")
            self.sent.append(f"{dict(answer.headers)}{text}")
            return Reply(answer.status, answer.headers, text, answer.headers.getall("Set-Cookie", []))

    async def csrf(self, path: str = "/sign-in") -> str:
        """Return the token in the form of a page."""
        found = _CSRF.search((await self.get(path)).text)
        assert found, path
        return found[1]

    async def sign_in(self, name: str = "operator", password: str = PASSWORD, **more: str) -> Reply:
        """Fill in the form of the sign-in page and send it."""
        return await self.post("/sign-in", csrf=await self.csrf(), name=name, password=password, **more)

    async def session_csrf(self) -> str:
        """Return the token of the session."""
        async with self.session.get("/session") as answer:
            return str((await answer.json())["csrf"])

    async def status(self, path: str = "/status") -> int:
        """Return the status of an answer as JSON."""
        return (await self.ask("GET", path)).status


@dataclass(slots=True)
class Site:
    """A running API that asks for sign-in."""

    bus: Bus
    app: FastAPI
    port: int
    _open: Callable[[], Browser]

    @property
    def origin(self) -> str:
        """Its address as a browser writes it."""
        return f"http://127.0.0.1:{self.port}"

    def browser(self) -> Browser:
        """Return another browser, without cookies."""
        return self._open()

    async def person(self, name: str = "operator", role: Role = Role.OPERATOR, hashed: str = HASHED) -> None:
        """Create a person whose password is `PASSWORD`, or change one."""
        await People(self.bus).write(name, role, hashed, 1)

    async def signed_in(self, name: str = "operator", role: Role = Role.OPERATOR) -> Browser:
        """Create a person and return a browser in which they are signed in."""
        await self.person(name, role)
        browser = self.browser()
        reply = await browser.sign_in(name)
        assert reply.status == 303, reply.text
        return browser

    async def follower(self, user: str) -> Browser:
        """Return a browser in which a follower is signed in by a link."""
        token = await FollowerLinks(self.bus).create(user)
        browser = self.browser()
        reply = await browser.post("/link", csrf=await browser.csrf(f"/link/{token}"), token=token)
        assert reply.status == 303, reply.text
        return browser


@asynccontextmanager
async def running_site(
    bus: Bus, prepare: Callable[[FastAPI], None] | None = None, **more: object
) -> AsyncIterator[Site]:
    """Run an API over a bus; `prepare` may add routes."""
    with TemporaryDirectory() as folder:
        settings = Settings(shoal_config=all_at_kraken(Path(folder)), **more)  # type: ignore[arg-type]
        async with _running(bus, settings, prepare) as site:
            yield site


@asynccontextmanager
async def _running(bus: Bus, settings: Settings, prepare: Callable[[FastAPI], None] | None) -> AsyncIterator[Site]:
    app, _ = build(bus, settings)
    if prepare is not None:
        prepare(app)
    listener = bind("127.0.0.1", 0, setting="API")
    task = asyncio.create_task(serve(build_server(app, settings), listener))
    port = listener.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    opened: list[aiohttp.ClientSession] = []

    def browser() -> Browser:
        opened.append(aiohttp.ClientSession(origin, cookie_jar=aiohttp.CookieJar(unsafe=True)))
        return Browser(opened[-1], origin)

    try:
        yield Site(bus, app, port, browser)
    finally:
        for session in opened:
            await session.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        listener.close()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
