"""Puts the pages into the application: routes, static files, and the answer in words when Redis does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from services.api.access.identity import Identity
from services.api.read_models import ReadModels
from services.api.web.forms.confirm import build_confirm_routes
from services.api.web.forms.settle import build_settle_routes
from services.api.web.keep_ready import KeepReady
from services.api.web.operations import OperationsReader, build_operations_routes
from services.api.web.overview import build_overview_routes
from services.api.web.prices.history import PriceHistory
from services.api.web.prices.routes import build_price_routes
from services.api.web.rendering import STATIC, Pages
from services.api.web.state import StatePanel
from services.api.web.tape.routes import TapeFeed, build_tape_routes
from services.api.web.users.account import AccountReader
from services.api.web.users.listing import UserListing
from services.api.web.users.routes import build_user_routes
from services.api.web.users.what_if import build_what_if_routes
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.operations.desk import ActionDesk


def add_web(
    app: FastAPI, bus: Bus, models: ReadModels, config: Path, desk: ActionDesk
) -> tuple[PriceHistory, KeepReady]:
    """Add the pages; return what has to run beside them."""
    pages = Pages(models)
    panel = StatePanel(bus, models, pages)
    feed = TapeFeed(bus, models, pages, panel)
    listing = UserListing(bus, models, config)
    history = PriceHistory(bus)
    app.include_router(build_overview_routes(pages, panel, feed))
    app.include_router(build_tape_routes(bus, models, pages, feed))
    accounts = AccountReader(bus, models, pages, listing)
    app.include_router(build_user_routes(bus, pages, listing, accounts))
    app.include_router(build_what_if_routes(bus, pages, accounts))
    app.include_router(build_confirm_routes(pages, desk, accounts))
    app.include_router(build_settle_routes(bus, pages))
    app.include_router(build_price_routes(bus, models, pages, history))
    operations = OperationsReader(bus, models)
    app.include_router(build_operations_routes(models, pages, operations))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _answer_people_in_pages(app, pages)
    return history, KeepReady(models, panel, feed.tape, operations)


def _answer_people_in_pages(app: FastAPI, pages: Pages) -> None:
    """Answer errors with a page where a person waits for one; programs get what they got before."""

    def wrap(kind: type[Exception], title: str) -> None:
        plain: Any = app.exception_handlers[kind]

        async def answer(request: Request, error: Exception) -> Response:
            found: Response = await plain(request, error)
            if not _is_a_person(request):
                return found
            text = error.detail if isinstance(error, HTTPException) else f"{error}. This page tries again by itself."
            page = await pages.problem(request, found.status_code, title, str(text))
            if "retry-after" in found.headers:
                page.headers["retry-after"] = found.headers["retry-after"]
            return page

        app.add_exception_handler(kind, answer)

    wrap(BusError, "Redis does not answer")
    wrap(HTTPException, "Not possible")


def _is_a_person(request: Request) -> bool:
    """Return whether somebody who is signed in waits for a page."""
    known = isinstance(getattr(request.state, "identity", None), Identity)
    return known and "text/html" in request.headers.get("accept", "") and request.method == "GET"
