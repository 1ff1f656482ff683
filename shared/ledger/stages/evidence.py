"""Reads what a user's copying showed: ended orders with the distance of their prices from the master's, what stands, the audit.

It only reads. What cannot be read or compared is left out, and never counts in favour of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.joined_ids import is_joined
from shared.bus.flow.streams import Entry, entry_ms, entry_order, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import ReportMessage, SignalMessage
from shared.domain.order import Kind, OrderState
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.stages.ladder import Sign, TradeFact
from shared.domain.stages.stage import Stage
from shared.domain.values.currency import alike
from shared.domain.values.money import BASIS_POINT
from shared.ledger.audit.audit import audit_user
from shared.ledger.audit.auditor import read_user
from shared.ledger.audit.facts import AuditTime, SignalFacts
from shared.ledger.open_issues import read_differences, read_unresolved
from shared.ledger.reading import StreamExtent, entries

_PAGE: Final = 200
_UNRESOLVED_MS: Final = 30_000
"""An order whose end has been open for longer than this is a fault, even if it is not called unknown."""
GRACE_MS: Final = 120_000
"""What is younger is still under way for the audit."""
_CLOCKS_MS: Final = 60_000
"""The largest difference between the venue's clock and Redis's, as the audit has it."""
_SHOWN: Final = Decimal("0.01")
_FAULTS: Final = frozenset({OrderState.REJECTED, OrderState.FAILED})
_TRADES: Final = frozenset({OrderState.FILLED, OrderState.PARTIAL})


class StageEvidence:
    """The evidence of one user."""

    def __init__(self, bus: Bus, user: str, venues: Sequence[str]) -> None:
        self._bus = bus
        self._user = user
        self._venues = venues

    async def last_report(self) -> str:
        """Return the id of the latest report, from which a new count goes on. Raises BusUnavailable."""
        rows = await self._bus.do("XREVRANGE", keys.reports(self._user), "+", "-", "COUNT", 1)
        return str(rows[0][0]) if rows else "0-0"

    async def ended(self, cursor: str) -> tuple[list[TradeFact], str]:
        """Return what the next reports after an entry id say, and the id of the last. Raises BusUnavailable."""
        stream = keys.reports(self._user)
        page = read_entries(stream, await self._bus.do("XRANGE", stream, f"({cursor or '0-0'}", "+", "COUNT", _PAGE))
        found = [fact for entry in page if (fact := await self._fact(entry)) is not None]
        return found, page[-1].id if page else cursor

    async def standing(self, now: int) -> frozenset[str]:
        """Return the faults that stand at `now` (epoch ms), each by a name that stays the same. Raises BusUnavailable."""
        unresolved = await read_unresolved(self._bus, [self._user])
        found = {
            f"unknown order {each.order_id}"
            for each in unresolved
            if each.state == OrderState.UNKNOWN or now - (each.sent_at or now) > _UNRESOLVED_MS
        }
        differences = await read_differences(self._bus, [(self._user, venue) for venue in self._venues])
        found |= {f"position of {each.symbol} at {each.venue} differs" for each in differences}
        if await self._bus.do("XLEN", keys.dead(keys.orders(self._user))):
            found.add("dead letters")
        return frozenset(name.replace(",", " ") for name in found)

    async def audit(self, since: int, now: int) -> list[str]:
        """Audit what was decided since an instant (epoch ms); return the findings in words. Raises BusUnavailable."""
        first = f"{since}-0"
        ids = {}
        async for entry in entries(self._bus, keys.SIGNALS, first):
            ids[entry.id] = entry.fields.get("id", "")
        extent = StreamExtent(entry_order(first), removed=1)  # what is older was judged before
        book = await read_user(self._bus, self._user)
        book = replace(
            book,
            decided=[each for each in book.decided if entry_ms(each.entry_id) >= since],
            reported=[each for each in book.reported if each.settled_at >= since - _CLOCKS_MS],
            mirrored=(),
            orders_extent=extent,
            reports_extent=extent,
        )
        tally = audit_user(SignalFacts(ids, extent=extent), book, None, AuditTime(now, GRACE_MS))
        return [f"{each.kind} {each.subject}" for each in tally.findings]

    async def _fact(self, entry: Entry) -> TradeFact | None:
        try:
            report = ReportMessage.parse(entry.fields)
        except MalformedMessageError:
            return TradeFact(Sign.FAULT, entry_ms(entry.id))
        at, signal_at = report.settled_at, report.signal_at or 0
        if report.code == ReasonCode.SHADOW:
            return TradeFact(Sign.CHECKED, at, signal_at)
        if report.code == ReasonCode.SHADOW_REFUSED or report.outcome in _FAULTS:
            return TradeFact(Sign.FAULT, at, signal_at)
        if report.outcome in _TRADES and report.signal_id:
            entry_id = str(await self._bus.do("HGET", keys.order(self._user, report.order_id), "entry_id") or "")
            deviation, stage = await self._deviation(report, entry_id), await self._stage(report, entry_id)
            return TradeFact(Sign.TRADED, at, signal_at, deviation, stage)
        return None

    async def _stage(self, report: ReportMessage, entry_id: str) -> Stage | None:
        """Return the stage for which an entry was decided; None for an exit, and where the decision is no longer known."""
        if report.kind is Kind.EXIT or not entry_id:
            return None
        stream = keys.orders(self._user)
        rows = read_entries(stream, await self._bus.do("XRANGE", stream, entry_id, entry_id))
        word = rows[0].fields.get("stage", "") or Stage.FULL if rows else ""
        return Stage(word) if word in set(Stage) else None

    async def _deviation(self, report: ReportMessage, entry_id: str) -> Decimal | None:
        """Return how far a fill's price is from the master's, in basis points; None if there is nothing to compare with."""
        price = report.average_price
        signal = await self._signal(entry_id)
        if price is None or signal is None or not alike(report.symbol.quote, signal.symbol.quote):
            return None
        return (abs(price / signal.price.amount - 1) / BASIS_POINT).quantize(_SHOWN)

    async def _signal(self, entry_id: str) -> Signal | None:
        """Return the signal of a decision: its entry has the signal's own id, unless the decision joined a position."""
        if not entry_id or is_joined(entry_id):
            return None
        rows = await self._bus.do("XRANGE", keys.SIGNALS, entry_id, entry_id)
        try:
            return next(
                (SignalMessage.parse(each.fields).to_domain() for each in read_entries(keys.SIGNALS, rows)), None
            )
        except MalformedMessageError:
            return None
