"""What needs a person: orders whose outcome nobody knows yet, and positions that the account's balances do not cover.

An order that has not ended has its entry pending, so only as much is read as is open, whatever the number of ended ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.records import pairs
from shared.bus.streams import read_entries
from shared.contracts import keys
from shared.domain.order import OrderState
from shared.domain.values.numerals import whole

UNRESOLVED_STATES: Final = frozenset({OrderState.SENDING, OrderState.ACCEPTED, OrderState.UNKNOWN})
"""States of an order whose last send has no proven end."""
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class UnresolvedOrder:
    """An order whose outcome is not known: `fields` is its record."""

    user: str
    order_id: str
    fields: Mapping[str, str]

    @property
    def state(self) -> str:
        """Give where it stands."""
        return self.fields.get("state", "")

    @property
    def sent_at(self) -> int | None:
        """Give when its last send began (epoch ms)."""
        return whole(self.fields.get("sent_at"))


@dataclass(frozen=True, slots=True)
class PositionDifference:
    """A position that the venue's balance does not cover, in the words in which it was told."""

    user: str
    venue: str
    symbol: str
    text: str


async def read_unresolved(bus: Bus, users: Iterable[str]) -> list[UnresolvedOrder]:
    """Find the orders of these users whose outcome is not known, oldest first within a user. Raises BusUnavailable."""
    found = []
    for user in users:
        after = "-"
        while rows := await _pending(bus, user, after):
            found += await _unproven(bus, user, [str(row[0]) for row in rows])
            if len(rows) < _PAGE:
                break
            after = f"({rows[-1][0]}"
    return found


async def read_differences(bus: Bus, accounts: Sequence[tuple[str, str]]) -> list[PositionDifference]:
    """Read where positions of these (user, venue) differ from balances, as last told. Raises BusUnavailable."""
    answers = await bus.do_all([("HGETALL", keys.differences(user, venue)) for user, venue in accounts])
    return [
        PositionDifference(user, venue, symbol, text)
        for (user, venue), answer in zip(accounts, answers, strict=True)
        for symbol, text in sorted(pairs(answer).items())
    ]


async def _pending(bus: Bus, user: str, after: str) -> list[Any]:
    """Read a page of what was handed out and not acknowledged; nothing where there is no group yet."""
    answers = await bus.do_all([("XPENDING", keys.orders(user), keys.EXECUTOR, after, "+", _PAGE)])
    return answers[0] if isinstance(answers[0], list) else []


async def _unproven(bus: Bus, user: str, entry_ids: Sequence[str]) -> list[UnresolvedOrder]:
    stream = keys.orders(user)
    rows = await bus.do_all([("XRANGE", stream, entry_id, entry_id) for entry_id in entry_ids])
    entries = [entry for answer in rows if isinstance(answer, list) for entry in read_entries(stream, answer)]
    orders = [order for entry in entries if (order := entry.fields.get("id"))]
    hashes = await bus.do_all([("HGETALL", keys.order(user, order)) for order in orders])
    records = [UnresolvedOrder(user, order, pairs(answer)) for order, answer in zip(orders, hashes, strict=True)]
    return [record for record in records if record.state in UNRESOLVED_STATES]
