"""The lookups of one account at Coinbase: within its rate budget, repeated while the venue is unavailable, over all pages.

A token that is refused with 401 is not always a bad key: valid ones are refused now and then (COINBASE.md, C7). So a call is
repeated with fresh tokens before its key counts as refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.venues.answers import UNREADABLE
from shared.venues.coinbase import parse
from shared.venues.coinbase.errors import UNAUTHORIZED, failure_of
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.transport import CoinbaseApi, Query
from shared.venues.errors import Unavailable, VenueError, as_read
from shared.venues.patience import with_patience

TOKEN_PAUSES: Final = (0.1, 0.3, 0.6)
"""Seconds before each repetition with a fresh token."""
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

        `body`: the text of a question that is posted, such as a preview; never one that creates anything.
        """

        async def once() -> dict[str, Any]:
            await self._budget.admit_lookup(patient=patient)
            for pause in (*TOKEN_PAUSES, None):
                try:
                    reply = await (self._api.send(path, body) if body else self._api.ask(path, query))
                except VenueError as error:
                    raise as_read(error) from None
                if reply.status != UNAUTHORIZED or pause is None:
                    break
                await asyncio.sleep(pause)
            failure = failure_of(reply, order=False)
            if isinstance(failure, Unavailable) and failure.retry_after > 0:
                failure.retry_after = max(failure.retry_after, self._budget.exceeded())
            if failure is not None:
                raise as_read(failure)
            return reply.body or {}

        return await with_patience(once, self._timeout)

    async def pages(self, path: str, key: str, query: Query, *, until: int | None = None) -> list[Row]:
        """Return the rows of all pages, in the venue's sequence; with `until` (epoch ms) until one ends with an older row."""
        rows: list[Row] = []
        cursor = ""
        for _ in range(_MOST_PAGES):
            answer = await self.ask(path, {**query, "cursor": cursor} if cursor else query)
            with parse.readable(key):
                page: Sequence[Row] = answer[key] or []
                rows += page
                cursor, before = str(answer.get("cursor") or ""), cursor
                more = answer.get("has_next", bool(cursor)) is True
            if not more or not cursor or cursor == before or (until is not None and _is_older(page, until)):
                return rows
        raise Unavailable(f"Coinbase's list of {key} does not end")


def _is_older(page: Sequence[Row], until: int) -> bool:
    """Return whether the last row of a page changed before an instant; False if that cannot be read."""
    if not page:
        return True
    try:
        at = parse.ended_at(page[-1])
    except UNREADABLE:
        return False
    return at is not None and at < until
