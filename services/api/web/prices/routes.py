"""The price pages: the symbols that have a price, and one symbol with the master's fills and those of a user."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.api.access.identity import Role, at_least
from services.api.read_models import ReadModels
from services.api.web.paging import page_of
from services.api.web.prices.history import PriceHistory
from services.api.web.prices.series import PriceSeries
from services.api.web.rendering import Pages, wants_part
from services.api.web.tape.routes import PageNumber, Search
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES

_SYMBOLS: Final = 50
_USER: Final = 64
Venue = Annotated[str, Query(max_length=20)]
UserName = Annotated[str, Query(max_length=_USER)]


def build_price_routes(bus: Bus, models: ReadModels, pages: Pages, history: PriceHistory) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(at_least(Role.VIEWER))])

    @router.get("/prices")
    async def prices(request: Request, q: Search = "", page: PageNumber = 1) -> Response:
        now = time.time_ns() // 1_000_000
        found = [
            (str(symbol), symbol, venue, price, max(now - at, 0))
            for venue in VENUES
            for symbol, (price, at) in (await Records(bus).prices(venue)).items()
            if q.upper() in str(symbol)
        ]
        shown = page_of(sorted(found, key=lambda row: (row[0], row[2])), page, _SYMBOLS)
        if wants_part(request):
            return pages.part("parts/prices.html", shown=shown, q=q)
        return await pages.page(request, "prices.html", shown=shown, q=q)

    @router.get("/price/{base}/{quote}")
    async def price(request: Request, base: str, quote: str, venue: Venue = "", user: UserName = "") -> Response:
        symbol = _symbol(base, quote)
        users = await models.users()
        venue = venue if venue in VENUES else VENUES[0]
        if symbol is None:
            return await pages.problem(request, 404, "No such symbol", f"{base}/{quote} is not a symbol.")
        user = user if user in users else ""
        now = (await Records(bus).prices_of(venue, [symbol])).get(symbol)
        fills = await PriceSeries(bus, history, symbol, venue, user).fills()
        return await pages.page(
            request,
            "price.html",
            symbol=symbol,
            venue=venue,
            venues=VENUES,
            user=user,
            users=users if len(users) <= _USER else [],
            now=now,
            fills=fills[::-1][:_SYMBOLS],
            since=history.since,
        )

    @router.get("/price/{base}/{quote}/series")
    async def series(base: str, quote: str, venue: Venue = "", user: UserName = "") -> Response:
        symbol = _symbol(base, quote)
        if symbol is None or venue not in VENUES:
            return JSONResponse({"detail": "no such symbol or venue"}, 404)
        return JSONResponse(await PriceSeries(bus, history, symbol, venue, user).read())

    @router.get("/price/{base}/{quote}/events", response_class=EventSourceResponse, dependencies=[Depends(_known)])
    async def events(base: str, quote: str, venue: Venue, user: UserName = "") -> AsyncIterator[ServerSentEvent]:
        if symbol := _symbol(base, quote):
            async for event in PriceSeries(bus, history, symbol, venue, user).events():
                yield event

    return router


def _known(base: str, quote: str, venue: Venue) -> None:
    """Raise HTTPException 404 for what can have no price."""
    if _symbol(base, quote) is None or venue not in VENUES:
        raise HTTPException(404, "no such symbol or venue")


def _symbol(base: str, quote: str) -> Symbol | None:
    try:
        return Symbol.parse(f"{base}/{quote}")
    except ValueError:
        return None
