"""Counts what happened in a span of time, for the daily summary: per user and in all.

It reads the streams of that span once, page by page, and rests between pages: a day of thousands of users must not delay an
order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, read_entries
from shared.bus.state.records import read_equity
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import OrderState
from shared.domain.values.money import Money

_PAGE: Final = 500
_REST: Final = 0.01
"""Seconds between pages."""
_EQUITIES: Final = 500
_TRADED: Final = frozenset({OrderState.FILLED, OrderState.PARTIAL})
_FAILED: Final = frozenset({OrderState.REJECTED, OrderState.FAILED, OrderState.EXPIRED})
_NO_CODE: Final = "other"

Account = tuple[str, str]
"""User and venue."""


@dataclass(slots=True)
class UserFigures:
    """What happened to one user."""

    copied: int = 0
    filled: int = 0
    failed: int = 0
    """Rejected, failed or expired."""
    skipped: Counter[str] = field(default_factory=Counter)
    """By the code of the reason."""


@dataclass(slots=True)
class Figures:
    """What happened from `begin` to `end` (epoch ms by Redis's clock)."""

    begin: int
    end: int
    signals: int = 0
    users: dict[str, UserFigures] = field(default_factory=dict)
    equities: dict[Account, Money] = field(default_factory=dict)
    """What accounts are worth now, as far as that is known."""


async def read_figures(bus: Bus, users: Mapping[str, UserPolicy], begin: int, end: int) -> Figures:
    """Count. Raises BusUnavailable."""
    figures = Figures(begin, end)
    async for _ in _entries(bus, keys.SIGNALS, begin, end):
        figures.signals += 1
    for user in users:
        found = figures.users[user] = UserFigures()
        async for entry in _entries(bus, keys.orders(user), begin, end):
            found.copied += entry.fields.get("decision") == "copy"
        async for entry in _entries(bus, keys.reports(user), begin, end):
            _count(found, entry)
    figures.equities = await read_equities(bus, users)
    return figures


async def read_equities(bus: Bus, users: Mapping[str, UserPolicy]) -> dict[Account, Money]:
    """Read what accounts are worth now. Raises BusUnavailable."""
    accounts = [(user, venue) for user, policy in users.items() for venue in policy.venues]
    found: dict[Account, Money] = {}
    for first in range(0, len(accounts), _EQUITIES):
        page = accounts[first : first + _EQUITIES]
        answers = await bus.do_all([("HMGET", keys.account(*each), "equity", "currency") for each in page])
        for account, answer in zip(page, answers, strict=True):
            if (equity := read_equity(answer)) is not None:
                found[account] = equity
    return found


def _count(found: UserFigures, entry: Entry) -> None:
    outcome = entry.fields.get("outcome", "")
    if outcome in _TRADED:
        found.filled += 1
    elif outcome in _FAILED:
        found.failed += 1
    elif outcome == OrderState.SKIPPED:
        found.skipped[entry.fields.get("code") or _NO_CODE] += 1


async def _entries(bus: Bus, stream: str, begin: int, end: int) -> AsyncIterator[Entry]:
    """Iterate over the entries of a stream from `begin` to before `end` (epoch ms)."""
    start = str(begin)
    while True:
        page = read_entries(stream, await bus.do("XRANGE", stream, start, str(end - 1), "COUNT", _PAGE))
        for entry in page:
            yield entry
        if len(page) < _PAGE:
            return
        start = f"({page[-1].id}"
        await asyncio.sleep(_REST)


def change(before: Mapping[Account, Money], now: Mapping[Account, Money]) -> dict[str, Decimal]:
    """Return, by currency, by how much accounts that were known then and are known now have changed."""
    found: dict[str, Decimal] = {}
    for account, money in now.items():
        old = before.get(account)
        if old is not None and old.currency == money.currency:
            found[money.currency] = found.get(money.currency, Decimal(0)) + money.amount - old.amount
    return found
