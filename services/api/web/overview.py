"""The overview: is everything well, who does not trade, and what the last signals became."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.api.access.identity import Role, identity_of
from services.api.web.rendering import Pages
from services.api.web.state import StatePanel
from services.api.web.tape.routes import TapeFeed

_SIGNALS: Final = 12


def build_overview_routes(pages: Pages, panel: StatePanel, feed: TapeFeed) -> APIRouter:
    """Build the route of `/`. A follower is led to their own account."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index(request: Request) -> Response:
        who = identity_of(request)
        if who.role is Role.FOLLOWER:
            return RedirectResponse(f"/users/{who.user}", 303)
        rows = await feed.newest(_SIGNALS)
        return await pages.page(request, "overview.html", state=await panel.render(), rows=rows)

    return router
