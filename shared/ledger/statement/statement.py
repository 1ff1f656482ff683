"""The statement as it is shown: one view model for the command, the page and the files. Pure.

Amounts are exact. `shown` amounts have two decimals and still add up: see `rounding.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from shared.domain.position import MAIN
from shared.domain.values.money import ZERO
from shared.ledger.statement.month import Month
from shared.ledger.statement.parts.books import Entry, Exit, OwnExit
from shared.ledger.statement.parts.causes import (
    OF_THE_EQUITY,
    OF_THE_SETTINGS,
    ON_ENTRIES,
    ON_EXITS,
    STEPS,
    UNSEPARATED,
    Cause,
    cause_of,
)
from shared.ledger.statement.parts.counterfactuals import Explanation, explain, is_unseparated
from shared.ledger.statement.parts.exact import exactly
from shared.ledger.statement.records.assembly import Assembly, assemble
from shared.ledger.statement.records.material import Material, title_of
from shared.ledger.statement.shown.rounding import round_parts
from shared.ledger.statement.shown.words import PARTS, line_words


@dataclass(frozen=True, slots=True)
class Line:
    """A detail of a part. `count` is how many fills or sales it is about; None where that has no meaning."""

    code: str
    words: str
    amount: Decimal
    shown: Decimal
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One cause: what it added to the user's result. Negative is a loss against the master.

    The lines, the largest loss first, add up to it; there may be none.
    """

    cause: Cause
    title: str
    meaning: str
    amount: Decimal
    shown: Decimal
    lines: tuple[Line, ...]
    count: int | None = None
    """How many fills or sales it is about; None where that has no meaning."""


@dataclass(frozen=True, slots=True)
class Copying:
    """How the copies of the period were made; `median_delay_ms` is from the master's fill to the venue's acceptance."""

    fills: int
    """Fills of the master that were decided for the user."""
    copied: int
    own_exits: int
    median_delay_ms: int | None


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """Why the result of one account differs from the master's: `at_scale` plus all parts is `result`, exactly.

    Where named masters are copied there is one for each book; their results add up to that of the account.
    """

    venue: str
    currency: str
    since: int
    until: int
    ratio: Decimal
    """What the master's sizes are multiplied by to be the user's, at the first decision of the period."""
    at_scale: Decimal
    result: Decimal
    gap: Decimal
    at_scale_shown: Decimal
    result_shown: Decimal
    gap_shown: Decimal
    parts: tuple[Part, ...]
    copying: Copying
    notes: tuple[str, ...]
    master: str = MAIN
    """The named master whose book it is; empty for the main book."""

    @property
    def title(self) -> str:
        """Name it for people."""
        return title_of(self.venue, self.currency, self.master)


@dataclass(frozen=True, slots=True)
class Statement:
    """One user's month. `running`: the month has not ended; `accounts` is empty if nothing was decided or held in it."""

    user: str
    month: Month
    running: bool
    accounts: tuple[AccountStatement, ...]
    notes: tuple[str, ...] = ()


class NoStatementError(Exception):
    """The records of an account do not say what was made there; the text says why. A sum that lacks a trade is never shown."""


def state_account(material: Material) -> AccountStatement | None:
    """Return the statement of an account; None if nothing happened and nothing was held.

    Raises NoStatementError, and StatementError for a defect.
    """
    assembly = assemble(material)
    if not assembly.books:
        return None
    if assembly.oversold:
        coins = ", ".join(assembly.oversold)
        raise NoStatementError(
            f"{material.title}: by the records more {coins} was sold than was bought, as after a coin "
            "was renamed. No statement can be made of this account; its profit is in `ops pnl`."
        )
    explanation = explain(assembly.books, assembly.ratio)
    counts = _counts(assembly)
    amounts = _lines_of(explanation, counts)
    parts = {cause: _sum(amounts[cause].values()) for cause in PARTS}
    shown = round_parts([explanation.at_scale, *parts.values()])
    return AccountStatement(
        venue=material.venue,
        currency=material.currency,
        master=material.master,
        since=material.since,
        until=material.until,
        ratio=assembly.ratio,
        at_scale=explanation.at_scale,
        result=explanation.result,
        gap=explanation.gap,
        at_scale_shown=shown[0],
        result_shown=sum(shown, ZERO),
        gap_shown=sum(shown[1:], ZERO),
        parts=tuple(
            _part(cause, amount, rounded, amounts[cause], counts)
            for (cause, amount), rounded in zip(parts.items(), shown[1:], strict=True)
        ),
        copying=_copying(material, assembly),
        notes=_notes(assembly),
    )


def _part(
    cause: Cause,
    amount: Decimal,
    shown: Decimal,
    lines: Mapping[str, Decimal],
    counts: Mapping[tuple[Cause, str], int],
) -> Part:
    words = PARTS[cause]
    named = {line: value for line, value in sorted(lines.items(), key=lambda each: (each[1], each[0])) if line}
    rounded = round_parts(list(named.values()), total=shown) if named else []
    return Part(
        cause=cause,
        title=words.title,
        meaning=words.meaning,
        amount=amount,
        shown=shown,
        lines=tuple(
            Line(line, line_words(line), value, small, counts.get((cause, line)))
            for (line, value), small in zip(named.items(), rounded, strict=True)
        ),
        count=sum(number for (of, _), number in counts.items() if of is cause) or None,
    )


def _lines_of(explanation: Explanation, counts: Mapping[tuple[Cause, str], int]) -> Mapping[Cause, dict[str, Decimal]]:
    """Return the lines by cause: every cause is there, with a line only where something happened."""
    found: dict[Cause, dict[str, Decimal]] = {cause: {} for cause in Cause}
    for (cause, line), amount in explanation.parts.items():
        silent = cause is Cause.RATIO or line == STEPS
        if amount or (not silent and counts.get((cause, line))):
            found[cause][line] = amount
    return found


def _counts(assembly: Assembly) -> Counter[tuple[Cause, str]]:
    """Count what each line is about."""
    found: Counter[tuple[Cause, str]] = Counter()
    for book in assembly.books:
        for event in book.events:
            if isinstance(event, (Entry, Exit)) and event.missed:
                found[cause_of(event.missed), event.missed] += 1
            if isinstance(event, (Entry, Exit)) and event.copy.size:
                found.update(_price_lines(event))
            if isinstance(event, Entry) and event.allowed is not None:
                found[Cause.LIMITS, ""] += 1
            if isinstance(event, OwnExit):
                found[Cause.OWN_EXITS, event.code] += 1
            if isinstance(event, Entry) and event.ideal != event.at_equity:
                found[Cause.RATIO, OF_THE_SETTINGS] += 1
            if isinstance(event, Entry):
                with exactly():
                    found[Cause.RATIO, OF_THE_EQUITY] += event.at_equity != event.master.size * assembly.ratio
    return found


def _price_lines(event: Entry | Exit) -> list[tuple[Cause, str]]:
    """Return the lines to which the price of a copy belongs."""
    if is_unseparated(event):
        return [(Cause.PRICE, UNSEPARATED)]
    line = ON_ENTRIES if isinstance(event, Entry) else ON_EXITS
    return [(Cause.PRICE, line)] if event.rested else [(Cause.DELAY, line), (Cause.PRICE, line)]


def _copying(material: Material, assembly: Assembly) -> Copying:
    events = [event for book in assembly.books for event in book.events]
    trades = [each.trade for each in material.endings if each.trade is not None and each.signal_id]
    delays = [each.accepted_at - each.signal_at for each in trades if each.accepted_at and each.signal_at]
    return Copying(
        fills=len(material.copied),
        copied=sum(isinstance(event, (Entry, Exit)) and event.copy.size > 0 for event in events),
        own_exits=sum(isinstance(event, OwnExit) for event in events),
        median_delay_ms=round(median(delays)) if delays else None,
    )


def _notes(assembly: Assembly) -> tuple[str, ...]:
    found = []
    if assembly.unknown_fees:
        found.append(
            f"The master's fee was not recorded for {assembly.unknown_fees} of its fills: it counts as 0 there."
        )
    if assembly.unknown_sizes:
        found.append(
            f"{assembly.unknown_sizes} decisions do not state the ratio that they followed: what was ordered stands for it, or "
            "the ratio of the decision before."
        )
    if assembly.unpriced_openings:
        found.append(
            f"Of {assembly.unpriced_openings} coins that were held at the beginning no earlier price is recorded: they are "
            "valued at the first price within the period."
        )
    if assembly.rounded_costs:
        found.append(
            f"{assembly.rounded_costs} trades were recorded without their exact cost: size times average price stands for it."
        )
    return tuple(found)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    with exactly():
        return sum(amounts, ZERO)
