"""The routes of signing in and out: plain pages without scripts, and who one is as JSON.

A form is read field by field: a validator's error would repeat what was typed, and so the password.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.api.access.cookies import (
    BROWSER,
    SESSION as SESSION_COOKIE,
    VISIT,
    came_by_https,
    read_cookie,
    write_cookie,
)
from services.api.access.identity import Identity, Role, csrf_of, identity_of
from services.api.access.permissions import LINK, SESSION, SIGN_IN, SIGN_OUT, STYLE, home_of
from services.api.access.refusals import safe_path
from services.api.access.sessions import lifetime_of
from services.api.access.sign_in.desk import Admitted, Refused, SignIn
from shared.ledger.account_views import View
from shared.sign_in.known_browsers import LASTS_MS

_HERE: Final = Path(__file__).parent
_MOST_FIELDS: Final = 8


class SessionView(View):
    """Who is signed in, and the token that every change carries (header X-CSRF-Token)."""

    name: str
    role: Role
    user: str
    csrf: str


def build_access_routes(desk: SignIn) -> APIRouter:
    """Build the routes."""
    router, pages = APIRouter(), _Pages()
    _add_session(router)
    _add_sign_in(router, desk, pages)
    _add_links(router, desk, pages)
    return router


def _add_session(router: APIRouter) -> None:
    @router.get(SESSION)
    async def session(request: Request) -> SessionView:
        """Show who is signed in."""
        who = identity_of(request)
        return SessionView(name=who.name, role=who.role, user=who.user, csrf=csrf_of(request))

    @router.get(STYLE, include_in_schema=False)
    async def style() -> Response:
        return FileResponse(_HERE / "static" / "access.css", media_type="text/css")


def _add_sign_in(router: APIRouter, desk: SignIn, pages: _Pages) -> None:
    @router.get(SIGN_IN, include_in_schema=False)
    async def form(request: Request, next: str = "") -> Response:  # the name in the address
        if (who := getattr(request.state, "identity", None)) is not None and read_cookie(request, SESSION_COOKIE):
            return _go(safe_path(next) or home_of(who))
        return pages.sign_in(request, next=safe_path(next))

    @router.post(SIGN_IN, include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        form = await request.form(max_fields=_MOST_FIELDS)
        name, password, wanted = (str(form.get(field, "")) for field in ("name", "password", "next"))
        browser = read_cookie(request, BROWSER)
        result = await desk.with_password(name.strip().lower(), password, _address(request), browser)
        if isinstance(result, Refused):
            return pages.sign_in(request, next=safe_path(wanted), refused=result)
        await desk.sign_out(read_cookie(request, SESSION_COOKIE))
        return _admit(request, result, safe_path(wanted))

    @router.post(SIGN_OUT, include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        await desk.sign_out(read_cookie(request, SESSION_COOKIE))
        answer = _go(SIGN_IN)
        answer.headers.append("set-cookie", _cookie(request, SESSION_COOKIE, "", max_age=0))
        return answer


def _add_links(router: APIRouter, desk: SignIn, pages: _Pages) -> None:
    @router.get(f"{LINK}/{{token}}", include_in_schema=False)
    async def open_link(request: Request, token: str) -> Response:
        who = getattr(request.state, "identity", None)
        if await desk.is_open_link(token):
            return pages.link(request, token=token)
        if isinstance(who, Identity) and who.role is Role.FOLLOWER:  # their own link again, from the message
            return _go(home_of(who))
        return pages.link(request, token="")

    @router.post(LINK, include_in_schema=False)
    async def use_link(request: Request) -> Response:
        form = await request.form(max_fields=_MOST_FIELDS)
        result = await desk.with_link(str(form.get("token", "")), _address(request))
        if result is None:
            return pages.link(request, token="")
        await desk.sign_out(read_cookie(request, SESSION_COOKIE))
        return _admit(request, result, "")


class _Pages:
    """The pages, made from templates that escape everything."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined
        )

    def sign_in(self, request: Request, *, next: str, refused: Refused | None = None) -> HTMLResponse:
        status = refused.status if refused else 200
        answer = self._page(request, "sign_in.html", status, next=next, refused=refused)
        if refused and refused.wait:
            answer.headers["retry-after"] = str(refused.wait)
        return answer

    def link(self, request: Request, *, token: str) -> HTMLResponse:
        return self._page(request, "link.html", 200 if token else 410, token=token)

    def _page(self, request: Request, name: str, status: int, **values: object) -> HTMLResponse:
        text = self._templates.get_template(name).render(csrf=csrf_of(request), **values)
        return HTMLResponse(text, status)


def _admit(request: Request, admitted: Admitted, wanted: str) -> Response:
    """Return the way on, with the new session's cookie; a follower always begins on their own page."""
    who = admitted.identity
    answer = _go(wanted if wanted and who.role is not Role.FOLLOWER else home_of(who))
    seconds = lifetime_of(who.role).absolute // 1000
    answer.headers.append(
        "set-cookie", _cookie(request, SESSION_COOKIE, admitted.token, max_age=seconds, role=who.role)
    )
    answer.headers.append("set-cookie", _cookie(request, VISIT, "", max_age=0))
    if admitted.browser:
        answer.headers.append("set-cookie", _cookie(request, BROWSER, admitted.browser, max_age=LASTS_MS // 1000))
    return answer


def _cookie(request: Request, name: str, value: str, *, max_age: int, role: Role = Role.OPERATOR) -> str:
    # A follower comes back by the link in a message, so from another site: with Strict they would look signed out.
    same_site: Final = "Lax" if role is Role.FOLLOWER else "Strict"
    return write_cookie(name, value, https=came_by_https(request), same_site=same_site, max_age=max_age)


def _go(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303)


def _address(request: Request) -> str:
    """Return the address of the other end of the connection; headers of proxies could be forged."""
    return request.client.host if request.client else "unknown"
