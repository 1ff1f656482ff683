"""The lookups of one account at Coinbase: within its rate budget, repeated while the venue is unavailable, over all pages.

A token that is refused with 401 is not always a bad key: valid ones are refused now and then (COINBASE.md, C7). So a call is
repeated with fresh tokens before its key counts as refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.venues.answers import UNREADABLE, instant
from shared.venues.coinbase import order_rows, parse
from shared.venues.coinbase.errors import UNAUTHORIZED, failure_of
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.transport import CoinbaseApi, Query
from shared.venues.errors import OutcomeUnknown, Unavailable, VenueError, as_read
from shared.venues.patience import with_patience

TOKEN_PAUSES: Final = (0.1, 0.3, 0.6)
"""Seconds before each repetition with a fresh token."""
_ORDERS: Final = "/orders"
_MOST_PAGES: Final = 2_000
"""More pages than any account has: a venue that never ends its list must not be asked for ever."""

Row = Mapping[str, Any]


class Questions:
    """Sends the lookups of one key. Raises Unavailable and Rejected."""

    def __init__(self, api: CoinbaseApi, budget: CoinbaseBudget, *, timeout: float) -> None:
        self._api = api
        self._budget = budget
        self._timeout = timeout

    async def ask(
        self, path: str, query: Query | None = None, *, patient: bool = False, body: str = ""
    ) -> dict[str, Any]:
        """Send a lookup and return its answer; a `patient` one lets others go first.

        `body`: the text of a question that is posted, such as a preview or a cancel; never one that creates anything, nor one
        that must not be repeated.
        """

        if body and path == _ORDERS:
            raise TypeError("an order is not a question: it would be repeated")

        async def once() -> dict[str, Any]:
            await self._budget.admit_lookup(patient=patient)
            for pause in (*TOKEN_PAUSES, None):
                try:
                    reply = await (self._api.send(path, body) if body else self._api.ask(path, query))
                except VenueError as error:
                    raise as_read(error) from None
                self._budget.heed(reply.remaining)
                if reply.status != UNAUTHORIZED or pause is None:
                    break
                await asyncio.sleep(pause)
                self._budget.count()
            failure = failure_of(reply, order=False)
            if isinstance(failure, Unavailable) and failure.retry_after > 0:
                failure.retry_after = max(failure.retry_after, self._budget.exceeded())
            if isinstance(failure, OutcomeUnknown):
                self.doubt()
            if failure is not None:
                raise as_read(failure)
            return reply.body or {}

        return await with_patience(once, self._timeout)

    def doubt(self) -> None:
        """Close the idle connections: one of them delivered what is no answer to its request."""
        self._api.doubt()

    async def pages(
        self, path: str, key: str, query: Query, *, until: int | None = None, patient: bool = False
    ) -> list[Row]:
        """Return the rows of all pages, in the venue's sequence; with `until` (epoch ms) until one ends with an older row.

        Raises Unavailable for a list that does not come to its end: the rows that are missing must not count as absent.
        """
        rows: list[Row] = []
        cursor, before = "", set[str]()
        for _ in range(_MOST_PAGES):
            answer = await self.ask(path, {**query, "cursor": cursor} if cursor else query, patient=patient)
            if key not in answer:
                self.doubt()
            with parse.readable(key):
                page: Sequence[Row] = answer[key] or []
                rows += page
                cursor, more = _next_page(answer, page)
            if not more or (until is not None and _is_older(page, until)):
                return rows
            if not cursor or cursor in before:
                raise Unavailable(f"Coinbase's list of {key} goes on without a next page")
            before.add(cursor)
        raise Unavailable(f"Coinbase's list of {key} does not end")


def _next_page(answer: Mapping[str, Any], page: Sequence[Row]) -> tuple[str, bool]:
    """Return the cursor of the next page, and whether there is one. Lists without `has_next` end with an empty cursor (C13)."""
    cursor, more = str(answer.get("cursor") or ""), answer.get("has_next")
    if more is None:
        return cursor, bool(cursor and page)
    if not isinstance(more, bool):
        raise TypeError("has_next")
    return cursor, more


def _is_older(page: Sequence[Row], until: int) -> bool:
    """Return whether the last row of a page changed before an instant, or was created before it where no change is named."""
    if not page:
        return True
    try:
        at = order_rows.ended_at(page[-1]) or instant(page[-1]["created_time"])
    except UNREADABLE:
        return False
    return at < until
