"""What the demo tells between the services' own lines: each user's first copied trade, and how things stand, from Redis alone."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.streams import Entry, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError, text
from shared.contracts.messages import ReportMessage
from shared.domain.order import OrderState, Side

_EVERY: Final = 0.5
_SUMMARY_EVERY: Final = 15.0
_PAGE: Final = 500
_COPIED: Final = frozenset({OrderState.FILLED, OrderState.PARTIAL})


class News:
    """Follows the reports of each user from the beginning."""

    def __init__(self, bus: Bus, users: Sequence[str], say: Callable[[str], None]) -> None:
        self._bus = bus
        self._say = say
        self._last = dict.fromkeys(users, "0-0")
        self._outcomes: dict[str, Counter[OrderState]] = {user: Counter() for user in users}
        self._began = time.monotonic()
        self._copied: set[str] = set()

    async def run(self) -> None:
        """Tell until cancelled; a Redis that does not answer is asked again."""
        next_summary = time.monotonic() + _SUMMARY_EVERY
        while True:
            with suppress(BusError):
                for user in self._last:
                    await self._read(user)
                if time.monotonic() >= next_summary:
                    next_summary += _SUMMARY_EVERY
                    self._say(await self._summary())
            await asyncio.sleep(_EVERY)

    async def _read(self, user: str) -> None:
        stream = keys.reports(user)
        rows = await self._bus.do("XRANGE", stream, f"({self._last[user]}", "+", "COUNT", _PAGE)
        for entry in read_entries(stream, rows):
            self._last[user] = entry.id
            self._take(user, entry)

    def _take(self, user: str, entry: Entry) -> None:
        try:
            report = ReportMessage.parse(entry.fields)
        except MalformedMessageError:
            return  # the audit names it
        self._outcomes[user][report.outcome] += 1
        if report.outcome not in _COPIED or report.average_price is None or user in self._copied:
            return
        self._copied.add(user)
        did = "bought" if report.side is Side.BUY else "sold"
        behind = (
            "" if report.signal_at is None else f", {report.settled_at - report.signal_at} ms after the master's fill"
        )
        self._say(
            f"{user}: first copied trade: {did} {text(report.filled_size)} {report.symbol.base} "
            f"at {report.average_price:.2f} {report.symbol.quote}{behind}"
        )
        if len(self._copied) == len(self._last):
            self._say(
                f"every user has a copied trade, {time.monotonic() - self._began:.0f} s after the services' start"
            )

    async def _summary(self) -> str:
        signals = await self._bus.do("XLEN", keys.SIGNALS)
        return f"signals {signals}" + "".join(
            f" · {user} "
            + (", ".join(f"{count} {outcome}" for outcome, count in sorted(seen.items())) or "nothing yet")
            for user, seen in self._outcomes.items()
        )
