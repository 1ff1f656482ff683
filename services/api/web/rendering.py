"""Renders templates into pages: escaping always on, security headers always set, and the frame that every page has.

No template may contain an inline script or style: the Content-Security-Policy refuses both, so that a value that slipped through
the escaping would still not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.api.access.identity import Identity, Role, csrf_of, identity_of
from services.api.read_models import ReadModels
from services.api.web import words
from services.api.web.other_names import hide_other_names
from shared.bus.errors import BusError

STATIC: Final = Path(__file__).parent / "static"
VENDOR: Final = STATIC / "vendor"
"""What `make web` puts there; it is not in the repository."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Vary": "HX-Request"}
_RESULTS: Final[Mapping[str, str]] = {
    "done": "Done. It is in the control log.",
    "repeated": "This was done before by the same confirmation; nothing was done twice.",
    "consequence-changed": "Not done: what it would do has changed since it was shown. Look at it again.",
    "bad-confirmation": "Not done: the confirmation was for something else.",
    "confirmation-pending": "Not certain yet: an earlier click was not answered. The control log says what was done.",
    "redis-unavailable": "Not certain: Redis did not answer. The control log says whether it was done.",
    "unknown-target": "Not done: there is nothing of that name.",
    "refused": "Not done: it was refused. The page of the action says why.",
}
"""By the stable words of the actions' routes."""


class Pages:
    """Renders the pages of one API."""

    def __init__(self, models: ReadModels) -> None:
        self._models = models
        self._names: Sequence[str] = ()
        self.scripts = self.scripts_are_there()
        """Without scripts every page works by links, and reloads itself."""
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["words"] = words
        self._environment.globals["Role"] = Role

    @staticmethod
    def scripts_are_there() -> bool:
        """Return whether `make web` has run."""
        return (VENDOR / "htmx.min.js").is_file()

    def fragment(self, template: str, **values: Any) -> str:
        """Render a part of a page."""
        return self._environment.get_template(template).render(**values)

    def part(self, template: str, **values: Any) -> HTMLResponse:
        """Answer with a part of a page, which htmx puts into the page that is open."""
        return HTMLResponse(self.fragment(template, **values), headers=_HEADERS)

    async def page(self, request: Request, template: str, *, code: int = 200, **values: Any) -> HTMLResponse:
        """Answer with a whole page. Raises HTTPException 401 for a request without an identity."""
        frame = await self._frame(request)
        text = await self.for_reader(self.fragment(template, **frame, **values), frame["who"])
        return HTMLResponse(text, code, headers=_HEADERS)

    async def for_reader(self, html: str, who: Identity) -> str:
        """Return a page or a part of one as this person may see it."""
        if who.role is not Role.FOLLOWER:
            return html
        with suppress(BusError):  # then those last known count: what the page shows is not newer
            self._names = await self._models.users()
        return hide_other_names(html, who.user, self._names)

    async def problem(self, request: Request, status: int, title: str, text: str, back: str = "") -> HTMLResponse:
        """Answer with a page that says in words what is wrong; `back`: where the person came from, a path of this site."""
        return await self.page(request, "problem.html", code=status, title=title, text=text, back=back)

    async def _frame(self, request: Request) -> dict[str, Any]:
        """Return what the frame of every page shows: the mode of the system, the reader, and where they are."""
        who: Identity = identity_of(request)
        try:
            mode = (await self._models.status()).mode
        except BusError:
            mode = ""
        return {
            "who": who,
            "csrf": csrf_of(request),
            "mode": mode,
            "path": request.url.path,
            "scripts": self.scripts,
            "result": _result_of(request),
        }


def _result_of(request: Request) -> tuple[bool, str] | None:
    """Return what became of the action that led here: whether it was done, and the sentence; None if no action did."""
    code = request.query_params.get("result", "")
    if not code:
        return None
    known = code if code in _RESULTS else "refused"
    return known in {"done", "repeated"}, _RESULTS[known]


def wants_part(request: Request) -> bool:
    """Return whether htmx asks for a part of a page instead of the whole."""
    return request.headers.get("hx-request") == "true"
