"""Checks that an account's books are of the kind of money that it trades with now: paper and real money never mix.

A user can change from one to the other by their own setting or by SHOAL_MODE, while running or between two starts. What was
bought with one kind of money cannot be sold with the other, so new books are begun if nothing is held and no order is under
way; otherwise the account stays parked until the old ones are closed out under the former setting. It must never let an order
for what these books hold reach the other venue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.funds import Funds, FundsMark
from shared.domain.position import Position
from shared.domain.values.numerals import whole
from shared.domain.values.symbol import Symbol

_WAY_BACK: Final = {
    Funds.PAPER: "set paper = true (or SHOAL_MODE=paper) again",
    Funds.LIVE: "set SHOAL_MODE=live without paper = true again",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WrongFunds:
    """The books are of the other kind of money and still have something open: why, and what to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoBooks:
    """Nothing is recorded of the account: it is new, or Redis has lost its data. The venue knows which (`lost_books.py`)."""


async def check_funds_kind(
    bus: Bus, store: OrderStore, user: str, venue: str, funds: Funds, key: str
) -> FundsMark | WrongFunds | NoBooks:
    """Return an account's books for this kind of money, or why they cannot be used; `key` is the API key's fingerprint.

    To be called under the user's lease, before anything is sent. Raises LeaseLost, BusUnavailable.
    """
    records = Records(bus)
    try:
        (found,) = await records.books([(user, venue)])
        if found is not None and (moving := _renamed(user, found)):
            return WrongFunds(moving)
        if found is not None and found.funds is funds:
            return found
        if found is None and not await _recorded(bus, user, venue):
            return NoBooks()
        if found is None and await _made_with(bus, user, key):
            return await store.mark_books(funds, clear=False)
        held = await records.positions(user, venue)
        if open_ := await _open(store, held, await _dust(records, venue, held)):
            return WrongFunds(_reason(user, found, open_))
    except ValueError as error:  # a malformed record, or one whose field is no symbol
        return WrongFunds(f"the account's books cannot be read, so it is not known whose money they are of: {error}")
    books = await store.mark_books(funds, clear=True)
    log.warning(
        f"books begun anew: {user} trades with {funds.words} from now on",
        user=user,
        venue=venue,
        left_behind=", ".join(str(position.size) for position in held.values()) or "nothing",
    )
    return books


def _renamed(user: str, found: FundsMark) -> str:
    """Return why books cannot be used because their user is being or was renamed; an empty text if they can."""
    if found.renamed_to:
        return f"{user} is called {found.renamed_to} now: its file and its key stand under that name (ops user rename)"
    if found.taken_from:
        return (
            f"the books of {found.taken_from} are being moved here: repeat `ops user rename {found.taken_from} {user}`"
        )
    return ""


async def _recorded(bus: Bus, user: str, venue: str) -> bool:
    """Return whether Redis has any record that copying made of an account.

    The account's balances do not count: they are written without the lease, and may exist after everything else was lost.
    """
    written = (keys.positions, keys.risk, keys.own_exits)
    return bool(await bus.do("EXISTS", *(name(user, venue) for name in written)))


async def _made_with(bus: Bus, user: str, key: str) -> bool:
    """Return whether books without a mark (from a version before it) were made with this key.

    Paper and real accounts never share a key, and the counter of the last used key is the highest: counters follow the clock.
    """
    names = sorted(set(await bus.scan(keys.nonce(user, "*"))))
    values = await bus.do_all([("GET", name) for name in names])
    counts = {name: whole(str(value), digits=19) for name, value in zip(names, values, strict=True)}
    last = {name: count for name, count in counts.items() if count is not None}
    return not last or max(last, key=last.__getitem__) == keys.nonce(user, key)


async def _dust(records: Records, venue: str, held: Mapping[Symbol, Position]) -> frozenset[Symbol]:
    """Return the symbols of which less is held than the venue's minimum: closing out leaves them behind."""
    instruments = await records.instruments(venue) if held else {}
    return frozenset(
        symbol
        for symbol, position in held.items()
        if symbol in instruments and position.size.amount < instruments[symbol].min_size
    )


async def _open(store: OrderStore, held: Mapping[Symbol, Position], dust: frozenset[Symbol]) -> str:
    """Return what is still open in these books; an empty text if nothing."""
    if coins := [str(position.size) for symbol, position in held.items() if symbol not in dust]:
        return f"{', '.join(coins)} held"
    noted = await store.own_exits()
    if noted.unreadable:
        return f"an own exit of {', '.join(noted.unreadable)} noted that cannot be read"
    under_way = {decision.id for decision in noted.decisions} | (await store.open_orders()).keys()
    return f"order {min(under_way)} under way" if under_way else ""


def _reason(user: str, found: FundsMark | None, open_: str) -> str:
    if found is None:
        return (
            f"these books were made with another key, before it was noted whether that is paper or real money, with {open_}: "
            f"start once with that key and the SHOAL_MODE of then, so that it is noted"
        )
    return (
        f"these books are of {found.funds.words}, with {open_}: {_WAY_BACK[found.funds]}, close out there "
        f"(ops flatten --user {user}), then change over; until then nothing is traded"
    )
