"""Recognises a key that belongs to another account of the venue than the books: it must never trade by them.

What these books hold is on the former account. Under a key of another one each exit would sell coins that copying never bought,
an order under way would look as if the venue had never had it, and new copies would be another person's.

The venues identify accounts differently: Kraken's GetApiKeyInfo has no account id, a Coinbase key names a portfolio. But each
shows an order only to keys of the account that placed it. So the books record the fingerprint of the key under which they were
begun or found right, and another key has to show one of the orders that Redis has as filled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from services.executor.account.books.lost_books import LOOK_BACK_DAYS
from services.executor.account.keys.gates import GateRefusal, subject
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_ms, read_entries
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import Records
from shared.bus.users.key_claims import has_claimed
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import ReportMessage
from shared.domain.fault import FaultKind, Faults
from shared.domain.funds import FundsMark
from shared.venues.errors import Refusal, Rejected
from shared.venues.port import Venue

_SAMPLE: Final = 3
"""How many of the latest filled orders a new key is asked for: one that it shows is proof. Orders that are older than the lists
of `lost_books.py` reach are not asked for: a venue may have put them away, and a key must not be refused for that."""
_PAGE: Final = 200
_MOST_PAGES: Final = 10
_AGAIN: Final = 60.0
"""Seconds until a key that showed none is asked again: the venue may not have shown a fresh order yet."""
_SLACK_MS: Final = 60_000
_DAY_MS: Final = 24 * 3600 * 1000
_SUBJECT: Final = "account"

log = structlog.get_logger()


class SameAccountGate:
    """Refuses while the key does not show the account's former orders. A key that is already recorded asks the venue nothing."""

    def __init__(
        self,
        bus: Bus,
        user: str,
        venue: Venue,
        store: OrderStore,
        fingerprint: str,
        clock: Callable[[], int],
        faults: Faults,
    ) -> None:
        """`clock` is the venue's time (epoch ms)."""
        self._bus = bus
        self._user = user
        self._venue = venue
        self._store = store
        self._fingerprint = fingerprint
        self._clock = clock
        self._faults = faults
        self._admitted = False
        self._reason = ""
        self._due = 0.0

    async def check(self) -> None:
        """Admit the key once it is known to be of the account. Raises GateRefusal, VenueError, LeaseLost, BusUnavailable."""
        if self._admitted:
            return
        mark = await self._mark()
        if mark is None:
            return  # another gate begins the books, and the next reading records the key
        if mark.key == self._fingerprint:
            self._admit()
            return
        if self._reason and mark.other_key and time.monotonic() < self._due:
            raise GateRefusal(self._reason, books_lost=True)
        if not (not mark.key and await self._has_traded()):
            asked = await self._filled(mark)
            if asked and not await self._shows_any(asked):
                await self._refuse(asked)
        await self._store.note_key(self._fingerprint)
        self._admit()

    async def _mark(self) -> FundsMark | None:
        (found,) = await Records(self._bus).books([(self._user, self._venue.name)])
        return found

    async def _has_traded(self) -> bool:
        """Return whether this user has claimed this key before: for books of a version that recorded no key.

        So this gate comes before the one that claims the key.
        """
        return await has_claimed(self._bus, self._fingerprint, self._user)

    async def _filled(self, mark: FundsMark) -> list[ReportMessage]:
        """Return the latest filled orders of these books, newest first; those of a renamed user are under the former name too."""
        found: list[ReportMessage] = []
        for name in filter(None, (self._user, mark.formerly)):
            before = "+"
            for _ in range(_MOST_PAGES):
                rows = await self._bus.do("XREVRANGE", keys.reports(name), before, "-", "COUNT", _PAGE)
                entries = read_entries(keys.reports(name), rows)
                found += self._of_these_books(entries, mark)
                if len(found) >= _SAMPLE or len(entries) < _PAGE:
                    break
                before = f"({entries[-1].id}"
            if len(found) >= _SAMPLE:
                break
        return found[:_SAMPLE]

    def _of_these_books(self, entries: Iterable[Entry], mark: FundsMark) -> list[ReportMessage]:
        found = []
        oldest = self._clock() - LOOK_BACK_DAYS * _DAY_MS
        for entry in entries:
            if mark.precede(entry_ms(entry.id)) or entry_ms(entry.id) < oldest:
                continue
            try:
                report = ReportMessage.parse(entry.fields)
            except MalformedMessageError:
                continue
            filled = report.filled_size is not None and report.filled_size > 0
            if filled and report.venue == self._venue.name and report.venue_order_id:
                found.append(report)
        return found

    async def _shows_any(self, asked: list[ReportMessage]) -> bool:
        """Return whether the key shows one of these orders, by its id or in the list of ended orders."""
        for report in asked:
            try:
                await self._venue.order(report.venue_order_id)
            except Rejected as error:
                if error.refusal is not Refusal.GONE:
                    raise
            else:
                return True
        ids = {report.venue_order_id for report in asked}
        ended = await self._venue.closed_orders(since=asked[0].settled_at - _SLACK_MS)
        return any(order.venue_order_id in ids for order in ended) or bool(ended.left_out)

    async def _refuse(self, asked: list[ReportMessage]) -> None:
        """Raise GateRefusal, after recording what `ops rebuild` has to know."""
        number = f"the last {len(asked)} orders" if len(asked) > 1 else "the last order"
        self._reason = (
            f"the API key with the fingerprint {self._fingerprint} is of another account at {self._venue.name}: it does not show "
            f"{number} that copying filled for {self._user} ({', '.join(each.venue_order_id for each in asked)}). Put a key of "
            f"the former account back; or, if the account is another one on purpose, "
            f"`ops rebuild --user {self._user} --not-ours` begins empty books. Until then nothing is traded, and exits wait"
        )
        self._due = time.monotonic() + _AGAIN
        await self._store.note_other_key(self._fingerprint)
        if self._faults.report(FaultKind.KEY, subject(self._user, _SUBJECT), self._reason):
            log.error("the key is of another account", user=self._user, venue=self._venue.name, key=self._fingerprint)
        raise GateRefusal(self._reason, books_lost=True)

    def _admit(self) -> None:
        self._admitted = True
        self._faults.clear(FaultKind.KEY, subject(self._user, _SUBJECT))
