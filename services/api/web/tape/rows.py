"""A signal as the tape shows it, and one user's copy of it with its price against the master's and its latency by part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.api.web import words
from services.api.web.tape.tally import COPIED, Tally
from shared.bus.flow.streams import Entry
from shared.domain.order import OrderState
from shared.ledger.signal_views import CopyView, SignalView
from shared.ledger.why import UserCopy

_BASIS_POINTS: Final = 10_000
_MOST_CODES: Final = 4
_CLOCKS: Final = "(clocks differ)"
"""Instants of two processes in the wrong order: a difference of their clocks, and no latency."""
_PLAIN_FILL: Final = re.compile(r"filled \S+ \S+ at \S+")
"""The reason of an order that filled as it was sent."""
MARKS: Final[Mapping[str, str]] = {
    "filled": "good",
    "partial": "mild",
    "skipped": "mild",
    "rejected": "bad",
    "failed": "bad",
    "expired": "bad",
    "unknown": "bad",
}
"""How an outcome is coloured; its word is always there too."""


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One line of the tape."""

    signal: SignalView
    base: str
    quote: str
    tally: Tally | None
    """None if the signal is too old to be counted."""

    @property
    def id(self) -> str:
        """Return the entry id, which is also the event id."""
        return self.signal.entry_id

    @property
    def what(self) -> str:
        """Describe what the master did: `buy BTC/USD`."""
        return f"{self.signal.side or '?'} {self.signal.symbol or '?'}"

    @property
    def closed(self) -> str:
        """Describe how much of its position the master sold; empty for an entry."""
        if self.signal.kind != "exit" or not self.signal.fraction:
            return ""
        share = words.share(self.signal.fraction)
        return "its whole position" if share == "all" else f"{share} of its position"

    @property
    def copies(self) -> str:
        """Count the copies: `2 of 3 copied`."""
        if self.tally is None:
            return "open to see"
        if self.tally.counting:
            return f"{self.tally.copied:,} copied so far, counting"
        if not self.tally.users:
            return "not decided yet"
        return f"{self.tally.copied:,} of {self.tally.users:,} copied"

    @property
    def mark(self) -> str:
        """Return how the count is coloured."""
        if self.tally is None or self.tally.counting or not self.tally.users or self.tally.waiting:
            return "plain"
        return "good" if not self.tally.missed else "mild" if self.tally.copied else "bad"

    @property
    def rest(self) -> str:
        """Describe those who have not copied it: `1 waiting, 2 below minimum, 1 parked`."""
        if self.tally is None:
            return ""
        parts = [f"{self.tally.waiting:,} waiting"] if self.tally.waiting else []
        if self.tally.missed:
            codes = self.tally.codes.most_common(_MOST_CODES)
            parts += [f"{count:,} {words.code_words(code)}" for code, count in codes]
            others = self.tally.missed - sum(count for _, count in codes)
            parts += [f"{others:,} for other reasons"] if others else []
        return ", ".join(parts)


def row_of(entry: Entry, tally: Tally | None) -> SignalRow:
    """Build the line of a signal."""
    base, quote = split_symbol(entry.fields.get("symbol", ""))
    return SignalRow(SignalView.of(entry), base, quote, tally)


def split_symbol(symbol: str) -> tuple[str, str]:
    """Return base and quote; two blanks for a text that is not a symbol."""
    base, slash, quote = symbol.partition("/")
    return (base, quote) if slash else ("", "")


@dataclass(frozen=True, slots=True)
class CopyRow:
    """One user's part in a signal."""

    copy: CopyView
    base: str
    quote: str
    master_price: str

    @property
    def outcome(self) -> str:
        """Return the outcome as a word; `no decision` where there is none."""
        return self.copy.outcome or ("no decision" if self.copy.decision == "none" else self.copy.decision)

    @property
    def mark(self) -> str:
        """Return how the outcome is coloured."""
        return MARKS.get(self.copy.outcome, "plain")

    @property
    def traded(self) -> bool:
        """Whether anything was bought or sold."""
        return self.copy.outcome in COPIED

    @property
    def why(self) -> str:
        """Return the reason; of a plain fill, whose columns say it all, how the engine decided."""
        return self.copy.decision_reason if self._is_plain_fill else self.copy.reason

    @property
    def arithmetic(self) -> str:
        """Return how the engine decided, if that is not the reason already."""
        return self.copy.decision_reason if self.copy.decision_reason != self.why else ""

    @property
    def _is_plain_fill(self) -> bool:
        return self.copy.outcome == OrderState.FILLED and bool(_PLAIN_FILL.fullmatch(self.copy.reason))

    @property
    def slippage(self) -> str:
        """Return the price against the master's in basis points: above zero the user did worse. Empty if nothing was traded."""
        worse = slippage_bps(self.copy.average_price, self.master_price, buys=not self.copy.fraction)
        return "" if worse is None else f"{worse:+.1f} bps".replace("-", "−")

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Return the latency by part, from the master's fill to the settled order."""
        copy = self.copy
        steps = (
            ("decided", copy.signal_at, copy.decided_at),
            ("sent", copy.decided_at, copy.sent_at),
            ("accepted", copy.sent_at, copy.accepted_at),
            ("settled", copy.accepted_at, copy.settled_at),
        )
        return tuple(
            (name, words.duration(end - start) if end >= start else _CLOCKS)
            for name, start, end in steps
            if start is not None and end is not None
        )


def copy_row(copied: UserCopy, signal: Mapping[str, str]) -> CopyRow:
    """Build the line of a user; `signal` has the fields of the signal. The symbol is the one that the user trades."""
    own = copied.report.get("symbol") or copied.order.get("symbol") or signal.get("symbol", "")
    base, quote = split_symbol(own)
    return CopyRow(CopyView.of(copied), base, quote, signal.get("price", ""))


def slippage_bps(own: str, masters: str, *, buys: bool) -> Decimal | None:
    """Return how much worse than the master's a price is, in basis points; None if one of them is not known."""
    mine, lead = words.decimal_of(own), words.decimal_of(masters)
    if not mine or not lead or lead <= 0:
        return None
    worse = (mine - lead) if buys else (lead - mine)
    return worse / lead * _BASIS_POINTS
