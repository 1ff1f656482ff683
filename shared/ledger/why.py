"""The trace of one signal: each user's decision and outcome, with reasons, sizes and times.

The work is bounded whatever the length of the streams: a report is later than its order, so the search begins at the order's
entry id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_ms, read_entries
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.values.numerals import whole
from shared.ledger.joined_orders import joined_orders

_PAGE: Final = 500
_SEARCH_PAGES: Final = 20
"""A signal is searched for among the newest 10,000, a report among the 10,000 that follow its order."""
_FIRST_LOOK: Final = 20
"""Most reports follow their order within a few entries."""
_CLOCK_MS: Final = 60_000
"""The largest difference between the emitter's clock and Redis's."""


@dataclass(frozen=True, slots=True)
class UserCopy:
    """The order and the report of one user for a signal; `state` is from the order's record. Empty: nothing there (yet)."""

    user: str
    order: Mapping[str, str] = field(default_factory=dict)
    report: Mapping[str, str] = field(default_factory=dict)
    state: str = ""

    @property
    def decision(self) -> str:
        """Return `copy`, `skip`, `own` for the master's own order, or `none` if there is no decision."""
        return self.order.get("decision") or "none"

    @property
    def outcome(self) -> str:
        """Return the terminal outcome, else the order's present state; empty if there is no order."""
        return self.report.get("outcome") or self.state or ("planned" if self.order else "")

    @property
    def reason(self) -> str:
        """Return the outcome's reason, else the decision's."""
        return self.report.get("reason") or self.order.get("reason", "")

    @property
    def code(self) -> str:
        """Return the reason as a stable word: the outcome's, else the decision's; an empty text where there is none."""
        return self.report.get("code") or self.order.get("code", "")


@dataclass(frozen=True, slots=True)
class SignalTrace:
    """A signal and its outcome for each user."""

    entry: Entry
    users: tuple[UserCopy, ...]


async def find_signal(bus: Bus, wanted: str) -> Entry | None:
    """Find a signal by its id or its entry id; None if it is not in the stream (or too old for the search)."""
    if _is_entry_id(wanted):
        found = read_entries(keys.SIGNALS, await bus.do("XRANGE", keys.SIGNALS, wanted, wanted))
        return found[0] if found else None
    emitted = await bus.do("ZSCORE", keys.EMITTED, wanted)
    if emitted:
        at = int(float(emitted))
        first, last = max(at - _CLOCK_MS, 0), at + _CLOCK_MS
        near = await bus.do("XRANGE", keys.SIGNALS, first, last, "COUNT", _PAGE * 2)
        for entry in read_entries(keys.SIGNALS, near):
            if entry.fields.get("id") == wanted:
                return entry
    return await _search_back(bus, wanted)


async def find_signals(bus: Bus, beginning: str) -> list[Entry]:
    """Find the signals whose id has this beginning, newest first, among those that a search covers."""
    return [entry async for entry in _newest(bus) if entry.fields.get("id", "").startswith(beginning)]


async def trace_signal(
    bus: Bus, signal: Entry, users: Sequence[str], master_orders: Mapping[str, Mapping[str, str]] | None = None
) -> SignalTrace:
    """Read the outcome of a signal for these users; for `master` the master's own order among `master_orders`, if it has one."""
    orders = await bus.do_all([("XRANGE", keys.orders(user), signal.id, signal.id) for user in users])
    decided: dict[str, Entry] = {}
    for user, rows in zip(users, orders, strict=True):
        found = read_entries(keys.orders(user), rows if isinstance(rows, list) else [])
        if found:
            decided[user] = found[0]
    decided |= await joined_orders(bus, signal, [user for user in users if user not in decided])
    owner = signal.fields.get("owner") or MASTER
    if owner in users and (own := _own_order(signal, master_orders or {}, owner)) is not None:
        decided[owner] = own
    reports = await _reports(bus, decided)
    asked = list(decided)
    hashes = await bus.do_all(
        [("HGET", keys.order(user, decided[user].fields.get("id", "")), "state") for user in asked]
    )
    states = {user: state for user, state in zip(asked, hashes, strict=True) if isinstance(state, str)}
    return SignalTrace(
        entry=signal,
        users=tuple(
            UserCopy(
                user=user,
                order=decided[user].fields if user in decided else {},
                report=reports.get(user, {}),
                state=states.get(user, ""),
            )
            for user in users
        ),
    )


async def recent_signals(bus: Bus, count: int) -> list[Entry]:
    """Read the newest signals, newest first."""
    return read_entries(keys.SIGNALS, await bus.do("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", count))


def _own_order(signal: Entry, records: Mapping[str, Mapping[str, str]], owner: str) -> Entry | None:
    """Find the master's own order behind a signal. Its record stands in for an entry: the master has no order stream."""
    venue_order_id = signal.fields.get("master_order_id")
    for order_id, fields in records.items():
        if venue_order_id and fields.get("venue_order_id") == venue_order_id:
            sent_at = whole(fields.get("sent_at"), digits=14) or 0
            return Entry(
                keys.orders(owner), f"{max(sent_at - _CLOCK_MS, 0)}-0", {**fields, "id": order_id, "decision": "own"}
            )
    return None


async def _search_back(bus: Bus, wanted: str) -> Entry | None:
    async for entry in _newest(bus):
        if entry.fields.get("id") == wanted:
            return entry
    return None


async def _newest(bus: Bus) -> AsyncIterator[Entry]:
    """Iterate over the signals that a search covers, newest first."""
    last = "+"
    for _ in range(_SEARCH_PAGES):
        page = read_entries(keys.SIGNALS, await bus.do("XREVRANGE", keys.SIGNALS, last, "-", "COUNT", _PAGE))
        for entry in page:
            yield entry
        if len(page) < _PAGE:
            return
        last = f"({page[-1].id}"


async def _reports(bus: Bus, decided: Mapping[str, Entry]) -> dict[str, Mapping[str, str]]:
    """Find the report on one order per user, all users in one round trip per page."""
    found: dict[str, Mapping[str, str]] = {}
    wanted = {user: entry.fields.get("id", "") for user, entry in decided.items()}
    after = {user: str(entry_ms(entry.id)) for user, entry in decided.items()}
    for page in range(_SEARCH_PAGES + 1):
        count = _PAGE if page else _FIRST_LOOK
        asked = list(after)
        answers = await bus.do_all(
            [("XRANGE", keys.reports(user), after[user], "+", "COUNT", count) for user in asked],
        )
        for user, rows in zip(asked, answers, strict=True):
            entries = read_entries(keys.reports(user), rows if isinstance(rows, list) else [])
            match = next((each.fields for each in entries if each.fields.get("order_id") == wanted[user]), None)
            if match is not None:
                found[user] = match
            if match is not None or len(entries) < count:
                del after[user]
            else:
                after[user] = f"({entries[-1].id}"
        if not after:
            break
    return found


def _is_entry_id(text: str) -> bool:
    ms, dash, sequence = text.partition("-")
    return bool(dash) and _is_number(ms) and _is_number(sequence)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19
