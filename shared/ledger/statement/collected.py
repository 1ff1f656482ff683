"""Collects the records of one user and the signals of a period from Redis: decisions, reports, and what went before.

Page by page: of trades outside the period only their sum is kept, of what cannot be read only the number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.domain.order import Decision
from shared.domain.reason import ReasonCode
from shared.domain.values.money import ZERO
from shared.ledger.performance.trades import trade_of
from shared.ledger.reading import PAGE
from shared.ledger.statement.parts.exact import exactly
from shared.ledger.statement.records.material import Copied, Ending, Holding

_LOOK_BACK: Final = 5
"""Pages of signals before the period in which the master's positions and their prices are searched for."""
K = TypeVar("K")
T = TypeVar("T")


@dataclass(slots=True)
class Collected:
    """What was read of one user."""

    copied: list[Copied] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    gained_before: dict[tuple[str, str, Holding], Decimal] = field(default_factory=dict)
    """What trades from before the period have left, by venue, master and coin; of those trades nothing else is kept."""
    gained_since: dict[tuple[str, str, Holding], Decimal] = field(default_factory=dict)
    """The same of all trades since its beginning, those after its end included."""
    before: list[Copied] = field(default_factory=list)
    """The latest ones from before the period, newest first."""
    without_signal: list[int] = field(default_factory=list)
    """The instants (epoch ms) of the decisions whose signals are not in the stream."""
    unreadable: int = 0


async def collect(bus: Bus, user: str, since: int, until: int) -> Collected:
    """Read the records of a period (epoch ms), and what is needed of those around it. Raises BusUnavailable."""
    found = Collected()
    decisions: dict[str, Decision] = {}
    async for entry in _range(bus, keys.orders(user), since, until):
        decision = _parsed(entry, found, lambda each: OrderMessage.parse(each.fields).to_domain())
        if decision is not None and decision.code != ReasonCode.VENUE_NOT_FOLLOWED:
            decisions[decision.signal_id] = decision
    if decisions:
        async for entry in _range(bus, keys.SIGNALS, since, until):
            if entry.fields.get("id") in decisions:
                signal = _parsed(entry, found, lambda each: SignalMessage.parse(each.fields).to_domain())
                if signal is not None:
                    found.copied.append(Copied(signal, decisions[signal.id]))
    known = {each.signal.id for each in found.copied}
    found.without_signal = [each.signal_at for signal, each in decisions.items() if signal not in known]
    await _read_reports(bus, user, since, until, found)
    found.before = await _before(bus, user, since, found)
    return found


async def _read_reports(bus: Bus, user: str, since: int, until: int, found: Collected) -> None:
    async for entry in _range(bus, keys.reports(user), 0, None):
        ending = _parsed(entry, found, ending_of)
        if ending is None:
            continue
        if since <= ending.at < until:
            found.endings.append(ending)
        if (trade := ending.trade) is not None:
            gained = found.gained_before if ending.at < since else found.gained_since
            add_size(gained, (trade.venue, trade.master, Holding.of(trade.symbol)), trade.gained.amount)


async def _before(bus: Bus, user: str, since: int, found: Collected) -> list[Copied]:
    """Return the latest signals before the period that were decided for the user, newest first."""
    copied: list[Copied] = []
    last = f"({since}"
    for _ in range(_LOOK_BACK):
        signals = read_entries(keys.SIGNALS, await bus.do("XREVRANGE", keys.SIGNALS, last, "-", "COUNT", PAGE))
        if not signals:
            break
        first = signals[-1].id
        orders = read_entries(keys.orders(user), await bus.do("XRANGE", keys.orders(user), first, last, "COUNT", PAGE))
        decided = {entry.fields.get("signal_id"): entry for entry in orders}
        for entry in signals:
            order = decided.get(entry.fields.get("id"))
            signal = None if order is None else _parsed(entry, found, lambda each: SignalMessage.parse(each.fields))
            decision = None if order is None else _parsed(order, found, lambda each: OrderMessage.parse(each.fields))
            if signal is not None and decision is not None and decision.code != ReasonCode.VENUE_NOT_FOLLOWED:
                copied.append(Copied(signal.to_domain(), decision.to_domain()))
        if len(signals) < PAGE:
            break
        last = f"({first}"
    return copied


def ending_of(entry: Entry) -> Ending:
    """Parse a report. Raises MalformedMessageError."""
    report = ReportMessage.parse(entry.fields)
    return Ending(report.order_id, report.signal_id, report.outcome, report.code, report.settled_at, trade_of(entry))


def add_size(found: dict[K, Decimal], key: K, size: Decimal) -> None:
    """Add a size to a sum, exactly."""
    with exactly():
        found[key] = found.get(key, ZERO) + size


async def _range(bus: Bus, stream: str, since: int, until: int | None) -> AsyncIterator[Entry]:
    """Iterate over the entries of a stream from `since` to before `until` (epoch ms; None: to its end)."""
    start, end = str(since), "+" if until is None else f"({until}"
    while True:
        page = read_entries(stream, await bus.do("XRANGE", stream, start, end, "COUNT", PAGE))
        for entry in page:
            yield entry
        if len(page) < PAGE:
            return
        start = f"({page[-1].id}"


def _parsed(entry: Entry, found: Collected, parse: Callable[[Entry], T]) -> T | None:
    try:
        return parse(entry)
    except (MalformedMessageError, ArithmeticError):
        found.unreadable += 1
        return None
