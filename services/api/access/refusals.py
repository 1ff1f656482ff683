"""The answers to requests that are refused: a redirect to the sign-in page for people, a problem document for programs."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.api.access.permissions import SAFE, SIGN_IN

_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?{}-]*")
_LONGEST: Final = 500


def problem(status: int, detail: str, **headers: str) -> JSONResponse:
    """Return a problem document (RFC 9457)."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(body, status, headers=named, media_type="application/problem+json")


def sign_in_first(request: Request) -> Response:
    """Return what a request without a session gets."""
    if request.headers.get("hx-request"):
        return problem(401, "sign in first", hx_redirect=SIGN_IN)
    if not wants_page(request):
        return problem(401, "sign in first, or send a token (ops token)", www_authenticate="Bearer")
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = safe_path(path) if request.method in SAFE else ""
    return RedirectResponse(f"{SIGN_IN}?next={quote(wanted, safe='')}" if wanted not in {"", "/"} else SIGN_IN, 303)


def wants_page(request: Request) -> bool:
    """Return whether a person is waiting for a page."""
    return "text/html" in request.headers.get("accept", "")


def safe_path(given: str) -> str:
    """Return a path of this site to go on to; an empty string for anything that could lead elsewhere."""
    if len(given) > _LONGEST or "//" in given or not _PATH.fullmatch(given) or given.startswith(SIGN_IN):
        return ""
    return given
