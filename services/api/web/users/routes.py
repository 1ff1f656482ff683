"""The routes of users: the list, one account, its events, and its equity over time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.api.access.identity import Identity, Role, at_least, identity_of, sees_everything
from services.api.web.events import EVERY, LONGEST, Pulse, opening, start_after
from services.api.web.rendering import Pages, wants_part
from services.api.web.tape.routes import After, PageNumber, Search
from services.api.web.users.account import DECISIONS, AccountReader
from services.api.web.users.decisions import DecisionRow, read_decisions, read_outcomes
from services.api.web.users.listing import UserListing
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.flow.streams import read_entries
from shared.contracts import keys
from shared.domain.values.venue import VENUES
from shared.ledger.performance.equity import read_curves

_CATCH_UP: Final = 200
State = Annotated[str, Query(max_length=20)]
Group = Annotated[str, Query(max_length=64)]


def only_own(request: Request, user: str) -> None:
    """Let only those pass who may see this user. Raises HTTPException 401 or 403."""
    if not identity_of(request).may_see(user):
        raise HTTPException(403, "followers see their own account only")


def build_user_routes(bus: Bus, pages: Pages, listing: UserListing, accounts: AccountReader) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)
    _add_list(router, pages, listing)
    _add_account(router, bus, pages, accounts)
    return router


def _add_list(router: APIRouter, pages: Pages, listing: UserListing) -> None:
    @router.get("/users", dependencies=[Depends(at_least(Role.VIEWER))])
    async def users(
        request: Request, q: Search = "", state: State = "", group: Group = "", page: PageNumber = 1
    ) -> Response:
        found = await listing.read(q, state, group, page)
        values: dict[str, Any] = {"list": found, "q": q, "state": state, "group": group}
        if wants_part(request):
            return pages.part("parts/users.html", **values)
        return await pages.page(request, "users.html", **values)


def _add_account(router: APIRouter, bus: Bus, pages: Pages, accounts: AccountReader) -> None:
    @router.get("/users/{user}", dependencies=[Depends(only_own)])
    async def account(request: Request, user: str, before: After = "") -> Response:
        found = await accounts.find(user)
        if found is None:
            return await pages.problem(
                request,
                404,
                "No such user",
                f"There is no user {user}: no file in config/users has that name, and no record in Redis.",
            )
        latest = await _latest_report(bus, user)
        rows, earlier = await read_decisions(bus, user, DECISIONS, start_after(request, before))
        return await pages.page(
            request,
            "user.html",
            user=user,
            figures=await accounts.figures(found),
            decisions=rows,
            earlier=earlier,
            paged=bool(before),
            latest=latest,
            staff=sees_everything(request),
            **await accounts.details(found),
        )

    @router.get("/users/{user}/events", response_class=EventSourceResponse, dependencies=[Depends(only_own)])
    async def events(request: Request, user: str, after: After = "") -> AsyncIterator[ServerSentEvent]:
        start = start_after(request, after) or await _latest_report(bus, user)
        async for event in AccountEvents(bus, pages, accounts, user, identity_of(request)).run(start):
            yield event

    @router.get("/users/{user}/equity", dependencies=[Depends(only_own)])
    async def equity(user: str) -> Response:
        curves = await read_curves(bus, [(user, venue) for venue in VENUES])
        shown = [
            {
                "venue": venue,
                "currency": curve[-1].sample.currency,
                "at": [point.start // 1000 for point in curve],
                "equity": [None if point.sample.equity is None else str(point.sample.equity) for point in curve],
                "pnl": [None if point.sample.pnl is None else str(point.sample.pnl) for point in curve],
            }
            for venue, curve in zip(VENUES, curves, strict=True)
            if curve
        ]
        return JSONResponse(shown)


class AccountEvents:
    """The events of one user's page: each outcome, and the figures when they change."""

    def __init__(self, bus: Bus, pages: Pages, accounts: AccountReader, user: str, who: Identity) -> None:
        self._bus = bus
        self._pages = pages
        self._accounts = accounts
        self._user = user
        self._who = who

    async def run(self, after: str) -> AsyncIterator[ServerSentEvent]:
        """Yield events after an entry of the user's reports."""
        yield opening()
        shown, pulse, end = "", Pulse(), time.monotonic() + LONGEST
        while time.monotonic() < end:
            try:
                for entry_id, row in await self._new(after):
                    after = entry_id
                    yield ServerSentEvent(event="row", id=entry_id, raw_data=await self._render(row))
                user = await self._accounts.find(self._user)
                figures = (
                    "" if user is None else await self._pages.for_reader(await self._accounts.figures(user), self._who)
                )
                if figures and figures != shown:
                    shown = figures
                    yield ServerSentEvent(event="state", raw_data=figures)
                said = pulse.well()
            except BusError as error:
                said = pulse.lost(str(error))
            for event in said:
                yield event
            await asyncio.sleep(2 * EVERY)

    async def _new(self, after: str) -> list[tuple[str, DecisionRow]]:
        stream = keys.reports(self._user)
        rows = await self._bus.do("XRANGE", stream, f"({after}", "+", "COUNT", _CATCH_UP)
        reports = read_entries(stream, rows)
        if not reports:
            return []
        by_order = {row.id: row for row in await read_outcomes(self._bus, self._user, reports)}
        return [
            (each.id, by_order[order]) for each in reports if (order := each.fields.get("order_id", "")) in by_order
        ]

    async def _render(self, row: DecisionRow) -> str:
        staff = self._who.role is not Role.FOLLOWER
        return await self._pages.for_reader(
            self._pages.fragment("parts/decision.html", row=row, staff=staff), self._who
        )


async def _latest_report(bus: Bus, user: str) -> str:
    rows = await bus.do("XREVRANGE", keys.reports(user), "+", "-", "COUNT", 1)
    found = read_entries(keys.reports(user), rows)
    return found[0].id if found else "0-0"
