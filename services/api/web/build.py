"""Puts the pages into the application: routes, static files, and the answer in words when Redis does not answer."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.staticfiles import StaticFiles

from services.api.access.identity import identity_of
from services.api.read_models import ReadModels
from services.api.web.operations import OperationsReader, build_operations_routes
from services.api.web.overview import build_overview_routes
from services.api.web.price import build_price_routes
from services.api.web.price_history import PriceHistory
from services.api.web.rendering import STATIC, Pages
from services.api.web.state import StatePanel
from services.api.web.tape.routes import TapeFeed, build_tape_routes
from services.api.web.users.account import AccountReader
from services.api.web.users.listing import UserListing
from services.api.web.users.routes import build_user_routes
from shared.bus.connection import Bus


def add_web(app: FastAPI, bus: Bus, models: ReadModels, config: Path) -> PriceHistory:
    """Add the pages; return the price history, whose `run` samples the prices."""
    pages = Pages(models)
    panel = StatePanel(bus, models, pages)
    feed = TapeFeed(bus, models, pages, panel)
    listing = UserListing(bus, models, config)
    history = PriceHistory(bus)
    app.include_router(build_overview_routes(pages, panel, feed))
    app.include_router(build_tape_routes(bus, models, pages, feed))
    app.include_router(build_user_routes(bus, pages, listing, AccountReader(bus, models, pages, listing)))
    app.include_router(build_price_routes(bus, models, pages, history))
    app.include_router(build_operations_routes(models, pages, OperationsReader(bus, models)))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.state.pages = pages
    return history


async def unavailable_page(request: Request, error: Exception) -> Response | None:
    """Return the page that says that Redis does not answer, for people; None where a program asked."""
    pages = getattr(request.app.state, "pages", None)
    if pages is None or "text/html" not in request.headers.get("accept", ""):
        return None
    identity_of(request)
    answer = await pages.problem(request, 503, "Redis does not answer", f"{error}. This page tries again by itself.")
    answer.headers["Retry-After"] = "2"
    found: Response = answer
    return found
