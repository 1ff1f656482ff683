"""What needs the operator: unresolved orders, and positions that the account's balances do not cover.

A user's unresolved order has its stream entry pending, so only pending entries are read, however many orders have ended. The
master has no order stream, but a list of the orders that may be open. Until a master of this version has started there is no such
list, and the keyspace is scanned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.bus.master.open_orders import listed_orders
from shared.bus.state.records import existing, pairs
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.mirror import read_mirror
from shared.domain.account import MASTER, is_master
from shared.domain.order import OrderState
from shared.domain.values.numerals import whole
from shared.domain.values.venue import VENUES

UNRESOLVED_STATES: Final = frozenset({OrderState.SENDING, OrderState.ACCEPTED, OrderState.UNKNOWN})
"""States of an order whose last send has no proven end."""
_NOT_SHOWN_OPEN: Final = UNRESOLVED_STATES - {OrderState.ACCEPTED}
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class UnresolvedOrder:
    """An order whose outcome is not known; `fields` is its record."""

    user: str
    order_id: str
    fields: Mapping[str, str]

    @property
    def state(self) -> str:
        """Return the order's state."""
        return self.fields.get("state", "")

    @property
    def sent_at(self) -> int | None:
        """Return when its last send began (epoch ms)."""
        return whole(self.fields.get("sent_at"))


@dataclass(frozen=True, slots=True)
class PositionDifference:
    """A position that the venue's balance does not cover, as the executor described it last."""

    user: str
    venue: str
    symbol: str
    text: str


async def read_unresolved(bus: Bus, users: Iterable[str]) -> list[UnresolvedOrder]:
    """Find the unresolved orders of these users, oldest first within a user; masters' owners may be among them.

    Raises BusUnavailable.
    """
    found: list[UnresolvedOrder] = []
    names = list(users)
    followers = [user for user in names if not is_master(user)]
    mirrored = await _mirrored_orders(bus, followers)
    pending = dict(zip(followers, await _pending(bus, followers), strict=True))
    for user in names:
        if is_master(user):
            orders = await _master_orders(bus, user)
            orders.sort(key=lambda each: each.sent_at or 0)
        else:
            orders = await _pending_orders(bus, user, pending[user])
        found += [order for order in orders if order.state in UNRESOLVED_STATES and not _is_resting_stop(order)]
        found += [order for order in mirrored if order.user == user and order.state in _NOT_SHOWN_OPEN]
    return found


def _is_resting_stop(order: UnresolvedOrder) -> bool:
    """Return whether it is a stop of the master's that the venue has: it rests, and is no issue."""
    return order.state == OrderState.ACCEPTED and bool(order.fields.get("stop_price"))


async def _mirrored_orders(bus: Bus, users: Sequence[str]) -> list[UnresolvedOrder]:
    """Read the records of mirrored orders, which are in no pending list; one that is accepted rests, and is no issue."""
    named = {keys.mirrored(user, venue): (user, venue) for user in users for venue in VENUES}
    found = await existing(bus, list(named))
    accounts = [named[name] for name in found]
    answers = await bus.do_all([("HGETALL", name) for name in found])
    ids: list[tuple[str, str]] = []
    for (user, venue), answer in zip(accounts, answers, strict=True):
        for order_id, written in pairs(answer).items():
            with suppress(MalformedMessageError):  # reported by the executor
                ids.append((user, read_mirror(user, venue, order_id, written).decision.id))
    records = await bus.do_all([("HGETALL", keys.order(*each)) for each in ids])
    return [UnresolvedOrder(user, name, pairs(answer)) for (user, name), answer in zip(ids, records, strict=True)]


async def _master_orders(bus: Bus, owner: str) -> list[UnresolvedOrder]:
    """Read the records of a master's own orders that may be open."""
    lists = [listed for venue in VENUES if (listed := await listed_orders(bus, owner, venue)) is not None]
    if not lists:
        return [UnresolvedOrder(owner, name, fields) for name, fields in (await read_master_orders(bus, owner)).items()]
    names = sorted({order_id for listed in lists for order_id in listed})
    answers = await bus.do_all([("HGETALL", keys.order(owner, name)) for name in names])
    return [UnresolvedOrder(owner, name, pairs(answer)) for name, answer in zip(names, answers, strict=True)]


async def read_master_orders(bus: Bus, owner: str = MASTER) -> dict[str, Mapping[str, str]]:
    """Read the records of the master's own orders, by order id. Scans the keyspace. Raises BusUnavailable."""
    names = sorted(set(await bus.scan(keys.order(owner, "*"))))
    prefix = keys.order(owner, "")
    found: dict[str, Mapping[str, str]] = {}
    for first in range(0, len(names), _PAGE):
        page = names[first : first + _PAGE]
        answers = await bus.do_all([("HGETALL", name) for name in page])
        found.update({name.removeprefix(prefix): pairs(answer) for name, answer in zip(page, answers, strict=True)})
    return found


async def read_differences(bus: Bus, accounts: Sequence[tuple[str, str]]) -> list[PositionDifference]:
    """Read where positions of these (user, venue) differ from balances, as last recorded. Raises BusUnavailable."""
    named = {keys.differences(user, venue): (user, venue) for user, venue in accounts}
    found = await existing(bus, list(named))
    answers = await bus.do_all([("HGETALL", name) for name in found])
    return [
        PositionDifference(*named[name], symbol, text)
        for name, answer in zip(found, answers, strict=True)
        for symbol, text in sorted(pairs(answer).items())
    ]


async def _pending_orders(bus: Bus, user: str, rows: list[Any]) -> list[UnresolvedOrder]:
    """Read the orders of pending entries, of which `rows` are the first page."""
    found: list[UnresolvedOrder] = []
    while rows:
        found += await _read_orders(bus, user, [str(row[0]) for row in rows])
        if len(rows) < _PAGE:
            break
        (rows,) = await _pending(bus, [user], f"({rows[-1][0]}")
    return found


async def _pending(bus: Bus, users: Sequence[str], after: str = "-") -> list[list[Any]]:
    """Read a page of entries of each user that were delivered and not acknowledged; empty if there is no group yet."""
    answers = await bus.do_all([("XPENDING", keys.orders(user), keys.EXECUTOR, after, "+", _PAGE) for user in users])
    return [answer if isinstance(answer, list) else [] for answer in answers]


async def _read_orders(bus: Bus, user: str, entry_ids: Sequence[str]) -> list[UnresolvedOrder]:
    stream = keys.orders(user)
    rows = await bus.do_all([("XRANGE", stream, entry_id, entry_id) for entry_id in entry_ids])
    entries = [entry for answer in rows if isinstance(answer, list) for entry in read_entries(stream, answer)]
    orders = [order for entry in entries if (order := entry.fields.get("id"))]
    hashes = await bus.do_all([("HGETALL", keys.order(user, order)) for order in orders])
    return [UnresolvedOrder(user, order, pairs(answer)) for order, answer in zip(orders, hashes, strict=True)]
