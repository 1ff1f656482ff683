"""The latest outcomes of users: every order that has ended, filled or not, newest first.

The newest of all users come from few of them: the newest report of each user says which, so that the work does not grow with
the length of the streams, and only by one entry per user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_order, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import ReportMessage
from shared.ledger.performance.trades import Trade, trade_of
from shared.ledger.reading import PAGE


@dataclass(frozen=True, slots=True)
class EndedOrder:
    """An outcome. `trade` is None if nothing filled."""

    entry_id: str
    report: ReportMessage
    trade: Trade | None


async def latest_orders(bus: Bus, users: Sequence[str], count: int) -> list[EndedOrder]:
    """Read the newest `count` outcomes of all these users together, newest first; unreadable reports are left out.

    Raises BusUnavailable.
    """
    count = min(count, PAGE)
    newest = await _newest(bus, users, 1)
    chosen = sorted(((entry_order(rows[0].id), user) for user, rows in newest.items() if rows), reverse=True)[:count]
    rows = [each for found in (await _newest(bus, [user for _, user in chosen], count)).values() for each in found]
    rows.sort(key=lambda entry: entry_order(entry.id), reverse=True)
    return [order for entry in rows[:count] if (order := _ended(entry)) is not None]


async def _newest(bus: Bus, users: Sequence[str], count: int) -> dict[str, list[Entry]]:
    answers = await bus.do_all([("XREVRANGE", keys.reports(user), "+", "-", "COUNT", count) for user in users])
    return {
        user: read_entries(keys.reports(user), rows if isinstance(rows, list) else [])
        for user, rows in zip(users, answers, strict=True)
    }


def _ended(entry: Entry) -> EndedOrder | None:
    try:
        return EndedOrder(entry.id, ReportMessage.parse(entry.fields), trade_of(entry))
    except (MalformedMessageError, ArithmeticError):
        return None
