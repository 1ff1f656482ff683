"""Prints what happens in the demo: one line per signal with each user's outcome, from Redis alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.flow.streams import Entry, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError, text
from shared.contracts.messages import ReportMessage
from shared.domain.order import OrderState, Side

_EVERY: Final = 0.3
_WAIT: Final = 10.0
"""Seconds after which a signal is shown although an outcome is missing."""
_QUIET: Final = 60.0
"""Seconds without any signal after which a line says that nothing is broken."""
_USERS_EVERY: Final = 2.0
_PAGE: Final = 500
_COPIED: Final = frozenset({OrderState.FILLED, OrderState.PARTIAL})
_DIGITS: Final = 5
"""Significant digits of a size on the screen; the streams have all of them."""


@dataclass(slots=True)
class _Pending:
    """A signal that has not been printed yet, and its outcomes so far."""

    entry: Entry
    seen_at: float
    users: tuple[str, ...]
    """Who followed when it was seen."""
    outcomes: dict[str, ReportMessage] = field(default_factory=dict)


class SignalPrinter:
    """Reads the signals and each user's reports from the beginning. `began` is when `make demo` was called (epoch seconds)."""

    def __init__(
        self,
        bus: Bus,
        users: Sequence[str],
        print_line: Callable[[str], None],
        began: float,
        find_users: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        """`find_users` returns who follows by now; without it they stay the same."""
        self._bus = bus
        self._print_line = print_line
        self._began = began
        self._users = tuple(users)
        self._first = frozenset(users)
        """Those of the start: the first copied trade of each is announced."""
        self._find_users = find_users
        self._look_at = time.monotonic() + _USERS_EVERY
        self._last = dict.fromkeys([keys.SIGNALS, *map(keys.reports, users)], "0-0")
        self._pending: dict[str, _Pending] = {}
        self._copied: set[str] = set()
        self._quiet_at: float | None = time.monotonic() + _QUIET
        """When a line is due that says that there was no signal; None once there was one, or the line."""

    async def run(self) -> None:
        """Print until cancelled; if Redis does not answer, try again."""
        while True:
            with suppress(BusError):
                self._look_for_users()
                # Signals first: then every report that is read has its signal in the table.
                for entry in await self._new(keys.SIGNALS):
                    self._quiet_at = None
                    self._pending[entry.fields.get("id", "")] = _Pending(entry, time.monotonic(), self._users)
                for user in self._users:
                    for entry in await self._new(keys.reports(user)):
                        self._add_report(user, entry)
                self._show()
                self._show_quiet()
            await asyncio.sleep(_EVERY)

    def _look_for_users(self) -> None:
        """Notice users who were added, from their next signal on, and forget those who are gone."""
        if self._find_users is None or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _USERS_EVERY
        now = tuple(self._find_users())
        for user in now:
            if user not in self._users:
                self._last.setdefault(keys.reports(user), "0-0")
        self._users = now or self._users

    async def _new(self, stream: str) -> list[Entry]:
        rows = await self._bus.do("XRANGE", stream, f"({self._last[stream]}", "+", "COUNT", _PAGE)
        found = read_entries(stream, rows)
        if found:
            self._last[stream] = found[-1].id
        return found

    def _add_report(self, user: str, entry: Entry) -> None:
        try:
            report = ReportMessage.parse(entry.fields)
        except MalformedMessageError:
            return  # the audit reports it
        if report.signal_id in self._pending:
            self._pending[report.signal_id].outcomes[user] = report
        elif not report.signal_id:
            self._print_line(f"{_clock(report.settled_at)} {user}'s own exit of {report.symbol}: {report.reason}")
        if report.outcome in _COPIED and report.average_price is not None and user in self._first - self._copied:
            self._print_first_copy(user, report, report.average_price)

    def _print_first_copy(self, user: str, report: ReportMessage, price: Decimal) -> None:
        self._copied.add(user)
        took = time.time() - self._began
        if len(self._copied) == 1:
            did = "bought" if report.side is Side.BUY else "sold"
            size = f"{text(report.filled_size)} {report.symbol.base}"
            behind = report.signal_at and f", {report.settled_at - report.signal_at} ms after the master's fill"
            price_text = f"{price:,.2f} {report.symbol.quote}"
            self._print_line(
                f"first copied trade after {took:.0f} s: {user} {did} {size} at {price_text}{behind or ''}"
            )
        if len(self._copied) == len(self._first):
            self._print_line(f"every user has a copied trade, after {took:.0f} s")

    def _show(self) -> None:
        """Print the signals whose outcomes are known, in their order."""
        for signal_id, pending in list(self._pending.items()):
            whole = len(pending.outcomes.keys() & set(pending.users)) == len(pending.users)
            if not whole and time.monotonic() - pending.seen_at < _WAIT:
                return
            del self._pending[signal_id]
            self._print_line(self._line(pending))

    def _show_quiet(self) -> None:
        """Print once that no signal has come: a strategy may wait for long, and a screen without a line looks broken."""
        if self._quiet_at is None or time.monotonic() < self._quiet_at:
            return
        self._quiet_at = None
        self._print_line(
            f"no signal within {_QUIET:.0f} s: the master's strategy has bought nothing yet; its log says what it looks at"
        )

    def _line(self, pending: _Pending) -> str:
        fields = pending.entry.fields
        at, size, price = fields.get("filled_at", ""), fields.get("base_size", ""), fields.get("price", "")
        what = f"{fields.get('side', '?'):<4} {_short(size)} {fields.get('symbol', '?')} at {_price(price)}"
        parts = []
        for user in pending.users:
            report = pending.outcomes.get(user)
            parts.append(f"{user} {report.outcome if report else 'still open'}")
        return f"{_clock(int(at) if at.isdigit() else 0)} master {what}: {', '.join(parts)}"


def _clock(at: int | None) -> str:
    return datetime.fromtimestamp((at or 0) / 1000, UTC).strftime("%H:%M:%S")


def _short(amount: str) -> str:
    try:
        return f"{Decimal(amount):.{_DIGITS}g}"
    except InvalidOperation:
        return amount or "?"


def _price(amount: str) -> str:
    try:
        return f"{Decimal(amount):,.2f}"
    except InvalidOperation:
        return amount or "?"
