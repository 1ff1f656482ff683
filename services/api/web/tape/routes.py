"""The tape's routes: the page, its events, and one signal with each user's part."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.api.access.identity import Role, at_least
from services.api.read_models import ReadModels
from services.api.web.events import EVERY, LONGEST, Pulse, opening, start_after
from services.api.web.paging import Page, page_of
from services.api.web.rendering import Pages, wants_part
from services.api.web.state import StatePanel
from services.api.web.tape.rows import CopyRow, SignalRow, copy_row, row_of
from services.api.web.tape.tally import MOST, Tally, Tape, newer
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.flow.streams import Entry, read_entries
from shared.contracts import keys
from shared.ledger.why import find_signal, trace_signal

SHOWN: Final = 50
_USERS: Final = 50
_NEVER: Final = -1
"""The version of a line whose changes are not sent, because the page does not show it."""
_CATCH_UP: Final = 500
"""Signals that one browser can have missed; with more it loads the page again."""

STAFF: Final = [Depends(at_least(Role.VIEWER))]
After = Annotated[str, Query(max_length=41)]
Search = Annotated[str, Query(max_length=64)]
Lines = Annotated[int, Query(ge=0, le=MOST)]
PageNumber = Annotated[int, Query(ge=1, le=100_000)]


class TapeFeed:
    """The lines of the tape, for pages and for events."""

    def __init__(self, bus: Bus, models: ReadModels, pages: Pages, panel: StatePanel) -> None:
        self._bus = bus
        self._pages = pages
        self._panel = panel
        self.tape = Tape(bus, models.users)

    async def newest(self, count: int) -> list[SignalRow]:
        """Return the newest lines, newest first. Raises BusUnavailable."""
        tallies = await self.tape.current()
        return [row_of(each.entry, each) for each in reversed(tallies[-count:])]

    async def before(self, entry_id: str, count: int) -> list[SignalRow]:
        """Return the lines before an entry, newest first. Raises BusUnavailable."""
        known = {each.entry.id: each for each in await self.tape.current()}
        rows = await self._bus.do("XREVRANGE", keys.SIGNALS, f"({entry_id}", "-", "COUNT", count)
        return [row_of(entry, known.get(entry.id)) for entry in read_entries(keys.SIGNALS, rows)]

    async def events(self, after: str, lines: int, *, state: bool) -> AsyncIterator[ServerSentEvent]:
        """Yield every signal after an entry, and changed counts of the `lines` before it, which the page shows already.

        With `state` also the state of the system when it changes.
        """
        yield opening()
        after = after or await self._end()
        sent = await self._unseen(after, lines)
        panel, pulse, end = "", Pulse(), time.monotonic() + LONGEST
        while time.monotonic() < end:
            try:
                new, behind = await self._new(after)
                if behind:
                    yield ServerSentEvent(event="reload", raw_data="too many signals were missed")
                    return
                for row in new:
                    after = row.id
                    sent[row.id] = row.tally.version if row.tally else 0
                    yield ServerSentEvent(event="row", id=row.id, raw_data=self._render(row))
                for row in await self._changed(sent, after):
                    yield ServerSentEvent(event="change", raw_data=self._render(row))
                if state and (shown := await self._panel.render()) != panel:
                    panel = shown
                    yield ServerSentEvent(event="state", raw_data=shown)
                said = pulse.well()
            except BusError as error:
                said = pulse.lost(str(error))
            for event in said:
                yield event
            await asyncio.sleep(EVERY)

    async def _end(self) -> str:
        """Return the newest entry: where events begin for a reader who names none."""
        try:
            tallies = await self.tape.current()
        except BusError:
            tallies = []
        return tallies[-1].entry.id if tallies else "0-0"

    async def _unseen(self, after: str, lines: int) -> dict[str, int]:
        """Return the lines that the page does not show, with their counts as if they were sent: their changes are not."""
        try:
            tallies = await self.tape.current()
        except BusError:
            return {}
        shown = [tally for tally in tallies if not newer(tally.entry.id, after)]
        return {tally.entry.id: _NEVER for tally in shown[: max(len(shown) - lines, 0)]}

    async def _new(self, after: str) -> tuple[list[SignalRow], bool]:
        """Return the signals after an entry, oldest first, and whether there are too many to send."""
        tallies = await self.tape.current()
        known = {each.entry.id: each for each in tallies}
        if tallies and not newer(tallies[-1].entry.id, after):
            return [], False
        rows = await self._bus.do("XRANGE", keys.SIGNALS, f"({after}", "+", "COUNT", _CATCH_UP + 1)
        entries = read_entries(keys.SIGNALS, rows)
        return [row_of(entry, known.get(entry.id)) for entry in entries], len(entries) > _CATCH_UP

    async def _changed(self, sent: dict[str, int], after: str) -> list[SignalRow]:
        """Return the lines whose counts differ from those that were sent, and note them as sent."""
        found = []
        tallies = await self.tape.current()
        for tally in tallies:
            entry_id = tally.entry.id
            if sent.get(entry_id, 0) not in {tally.version, _NEVER} and not newer(entry_id, after):
                sent[entry_id] = tally.version
                found.append(row_of(tally.entry, tally))
        kept = {tally.entry.id for tally in tallies}
        for gone in [entry_id for entry_id in sent if entry_id not in kept]:
            del sent[gone]
        return found

    def _render(self, row: SignalRow) -> str:
        return self._pages.fragment("parts/signal.html", row=row)


def build_tape_routes(bus: Bus, models: ReadModels, pages: Pages, feed: TapeFeed) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False, dependencies=STAFF)

    @router.get("/tape")
    async def tape(request: Request, before: After = "") -> Response:
        earlier = start_after(request, before)
        rows = await (feed.before(earlier, SHOWN) if earlier else feed.newest(SHOWN))
        return await pages.page(request, "tape.html", rows=rows, earlier=earlier, full=len(rows) == SHOWN)

    @router.get("/tape/events", response_class=EventSourceResponse)
    async def events(
        request: Request, after: After = "", lines: Lines = MOST, state: bool = True
    ) -> AsyncIterator[ServerSentEvent]:
        async for event in feed.events(start_after(request, after), lines, state=state):
            yield event

    @router.get("/tape/{entry_id}")
    async def signal(request: Request, entry_id: str, q: Search = "", page: PageNumber = 1) -> Response:
        entry = await find_signal(bus, entry_id)
        if entry is None:
            return await pages.problem(
                request, 404, "No such signal", f"There is no signal {entry_id}, or it is too old."
            )
        users = [user for user in await models.users() if q.lower() in user]
        shown: Page[str] = page_of(users, page, _USERS)
        trace = await trace_signal(bus, entry, shown.rows)
        rows = [copy_row(copied, entry.fields) for copied in trace.users]
        tally = await _tally_of(feed, entry)
        values: dict[str, Any] = {"row": row_of(entry, tally), "copies": _missed_first(rows), "shown": shown, "q": q}
        if wants_part(request):
            return pages.part("parts/copies.html", **values)
        return await pages.page(request, "signal.html", **values)

    return router


async def _tally_of(feed: TapeFeed, entry: Entry) -> Tally | None:
    return next((each for each in await feed.tape.current() if each.entry.id == entry.id), None)


def _missed_first(rows: Sequence[CopyRow]) -> list[CopyRow]:
    return sorted(rows, key=lambda row: row.traded)
