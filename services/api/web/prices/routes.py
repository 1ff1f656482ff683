"""The price pages: the symbols that have a price, and one symbol with the master's fills and those of a user."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from services.api.access.identity import Role, at_least
from services.api.read_models import ReadModels
from services.api.web.paging import page_of
from services.api.web.prices.history import PriceHistory
from services.api.web.rendering import Pages, wants_part
from services.api.web.tape.routes import PageNumber, Search
from shared.bus.connection import Bus
from shared.bus.price_samples import read_prices_before
from shared.bus.records import Records
from shared.bus.streams import read_entries
from shared.contracts import keys
from shared.domain.values.money import plain
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES
from shared.ledger.performance.trades import latest_trades
from shared.ledger.signal_views import SignalView

_SYMBOLS: Final = 50
_SIGNALS: Final = 1_000
_REPORTS: Final = 1_000
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
        fills = await _fills(bus, venue, symbol, user)
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
        await history.step()
        fills = await _fills(bus, venue, symbol, user)
        finer = history.of(venue, symbol)
        before = await read_prices_before(bus, venue, symbol, finer[0][0] if finer else history.since)
        samples = [{"at": at, "price": plain(price)} for at, price in before]
        samples += [{"at": at, "price": price} for at, price in finer]
        return JSONResponse({"prices": samples, "fills": fills})

    return router


def _symbol(base: str, quote: str) -> Symbol | None:
    try:
        return Symbol.parse(f"{base}/{quote}")
    except ValueError:
        return None


async def _fills(bus: Bus, venue: str, symbol: Symbol, user: str) -> list[dict[str, Any]]:
    """Return the master's fills in this symbol at this venue, and the user's, oldest first."""
    rows = await bus.do("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", _SIGNALS)
    found: list[dict[str, Any]] = []
    for entry in read_entries(keys.SIGNALS, rows):
        signal = SignalView.of(entry)
        if signal.symbol == str(symbol) and signal.venue == venue and signal.filled_at:
            found.append(_fill("master", signal.filled_at, signal.side, signal.base_size, signal.price))
    if user:
        trades = (await latest_trades(bus, [user], _REPORTS))[user]
        found += [
            _fill(user, each.at, each.side, plain(each.size.amount), plain(each.price.shown()))
            for each in trades
            if each.symbol == symbol and each.venue == venue
        ]
    return sorted(found, key=lambda each: int(each["at"]))


def _fill(who: str, at: int, side: str, size: str, price: str) -> dict[str, Any]:
    return {"who": who, "at": at, "side": str(side), "size": size, "price": price}
