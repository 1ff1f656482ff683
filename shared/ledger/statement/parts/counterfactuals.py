"""From the master's result to the user's, one cause at a time: each part is the difference between two consecutive
counterfactuals.

A counterfactual is the whole period played again with some causes applied and the others not. Since each begins where the one
before ends, the parts add up to the gap exactly, whatever the causes do to each other. No part is computed as what is left
over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from shared.domain.order import Side
from shared.domain.values.money import ZERO
from shared.ledger.statement.parts.books import Entry, Exit, LateTrade, OwnExit, SymbolBook
from shared.ledger.statement.parts.causes import (
    FEES_OF_THE_MASTER,
    FEES_PAID,
    OF_THE_EQUITY,
    OF_THE_SETTINGS,
    ON_ENTRIES,
    ON_EXITS,
    STEPS,
    UNSEPARATED,
    Cause,
    cause_of,
)
from shared.ledger.statement.parts.exact import exactly, in_proportion, portion, settled


class StatementError(ArithmeticError):
    """The parts of a statement do not add up: a defect, and never shown as a statement."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why `result` differs from `at_scale`; `parts` is by cause and line, and their sum is the difference, exactly."""

    at_scale: Decimal
    """The master's result, times the ratio of the first decision."""
    result: Decimal
    """The user's result from copying: proceeds less costs less fees, and the change of what is held at recorded prices."""
    parts: Mapping[tuple[Cause, str], Decimal]

    @property
    def gap(self) -> Decimal:
        """Return the user's result less the master's at scale."""
        with exactly():
            return self.result - self.at_scale


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Which causes are applied. Without any it is the master's own period at scale, with all of them the user's."""

    equity: bool = False
    settings: bool = False
    carried: bool = False
    skipped: frozenset[str] = frozenset()
    limits: bool = False
    own_exits: frozenset[str] = frozenset()
    rounded: bool = False
    entry_delay: bool = False
    exit_delay: bool = False
    entry_prices: bool = False
    exit_prices: bool = False
    unseparated: bool = False
    fees: bool = False


MASTER_AT_SCALE: Final = Counterfactual()


@dataclass(slots=True)
class _Play:
    """One symbol during a counterfactual."""

    held: Decimal
    cash: Decimal = ZERO
    fees: Decimal = ZERO
    """Those of copies and own exits, included in `cash`."""
    base_fees: Decimal = ZERO
    """Those that were taken in base, missing in `held`."""

    def buy(self, size: Decimal, gross: Decimal, fee: Decimal, base_fee: Decimal = ZERO) -> None:
        self.held += size - base_fee
        self.cash -= gross + fee
        self.fees += fee
        self.base_fees += base_fee

    def sell(self, size: Decimal, gross: Decimal, fee: Decimal, base_fee: Decimal = ZERO) -> None:
        self.held -= size + base_fee
        self.cash += gross - fee
        self.fees += fee
        self.base_fees += base_fee


def explain(books: Sequence[SymbolBook], ratio: Decimal) -> Explanation:
    """Explain the difference between a user and the master at `ratio` over these symbols, all in one quote currency.

    Raises StatementError if the parts do not add up, which only a defect can cause.
    """
    at_scale = result = ZERO
    parts: dict[tuple[Cause, str], Decimal] = {}
    with exactly():
        for book in books:
            before, _ = play(book, ratio, MASTER_AT_SCALE)
            at_scale += before
            for cause, line, applied in _chain(book):
                after, fees = play(book, ratio, applied)
                if cause is Cause.FEES:
                    _add(parts, cause, FEES_PAID, -fees)
                    _add(parts, cause, FEES_OF_THE_MASTER, after - before + fees)
                else:
                    _add(parts, cause, line, after - before)
                before = after
            result += result_of(book)
        if sum(parts.values(), ZERO) != result - at_scale:
            raise StatementError("the parts of the statement do not add up to the difference that they explain")
    return Explanation(at_scale, result, parts)


def play(book: SymbolBook, ratio: Decimal, applied: Counterfactual) -> tuple[Decimal, Decimal]:
    """Return the result of a symbol in a counterfactual, and the fees of copies and own exits in it. Call it inside `exactly()`.

    A fee that was taken in base counts at the closing price, as the coins do that it took.
    """
    played = _Play(book.opening if applied.carried else book.master_opening * ratio)
    at_opening = played.held * book.opening_price
    for event in book.events:
        match event:
            case Entry():
                _play_entry(played, event, ratio, applied)
            case Exit():
                _play_exit(played, event, applied)
            case OwnExit():
                _play_own_exit(played, event, applied)
            case LateTrade():
                _play_late(played, event, applied)
    result = played.cash + played.held * book.closing_price - at_opening
    return settled(result), settled(played.fees + played.base_fees * book.closing_price)


def result_of(book: SymbolBook) -> Decimal:
    """Return the user's result in a symbol, from what was traded alone. Call it inside `exactly()`."""
    held, cash = book.opening, ZERO
    for event in book.events:
        buys = isinstance(event, Entry) or (isinstance(event, LateTrade) and event.side is Side.BUY)
        copy = event.copy
        held += (copy.size if buys else -copy.size) - copy.base_fee
        cash += (-copy.gross if buys else copy.gross) - copy.fee
    return settled(cash + held * book.closing_price - book.opening * book.opening_price)


def _chain(book: SymbolBook) -> Iterator[tuple[Cause, str, Counterfactual]]:
    """Iterate over the counterfactuals after the first, each with the cause and the line that it adds."""
    applied = replace(MASTER_AT_SCALE, equity=True)
    yield Cause.RATIO, OF_THE_EQUITY, applied
    applied = replace(applied, settings=True)
    yield Cause.RATIO, OF_THE_SETTINGS, applied
    applied = replace(applied, carried=True)
    yield Cause.CARRIED, "", applied
    for code in sorted({each.missed for each in book.events if isinstance(each, (Entry, Exit)) and each.missed}):
        applied = replace(applied, skipped=applied.skipped | {code})
        yield cause_of(code), code, applied
    applied = replace(applied, limits=True)
    yield Cause.LIMITS, "", applied
    for code in sorted({each.code for each in book.events if isinstance(each, OwnExit)}):
        applied = replace(applied, own_exits=applied.own_exits | {code})
        yield Cause.OWN_EXITS, code, applied
    applied = replace(applied, rounded=True)
    yield Cause.ROUNDING, STEPS, applied
    applied = replace(applied, entry_delay=True)
    yield Cause.DELAY, ON_ENTRIES, applied
    applied = replace(applied, exit_delay=True)
    yield Cause.DELAY, ON_EXITS, applied
    applied = replace(applied, entry_prices=True)
    yield Cause.PRICE, ON_ENTRIES, applied
    applied = replace(applied, exit_prices=True)
    yield Cause.PRICE, ON_EXITS, applied
    applied = replace(applied, unseparated=True)
    yield Cause.PRICE, UNSEPARATED, applied
    yield Cause.FEES, "", replace(applied, fees=True)


def _play_entry(played: _Play, entry: Entry, ratio: Decimal, applied: Counterfactual) -> None:
    size = _entry_size(entry, ratio, applied)
    master = entry.master
    gross = _gross(entry, size, applied, delay=applied.entry_delay, prices=applied.entry_prices)
    fee = entry.copy.fee if applied.fees else in_proportion(master.fee, size, master.size)
    played.buy(size, gross, fee, entry.copy.base_fee if applied.fees else ZERO)


def _entry_size(entry: Entry, ratio: Decimal, applied: Counterfactual) -> Decimal:
    if applied.rounded:
        return entry.copy.size
    if applied.limits and entry.allowed is not None:
        size = entry.allowed
    elif applied.settings:
        size = entry.ideal
    else:
        size = entry.at_equity if applied.equity else entry.master.size * ratio
    return portion(size, entry.done) if entry.missed in applied.skipped else size


def _play_exit(played: _Play, sale: Exit, applied: Counterfactual) -> None:
    if applied.rounded:
        size = sale.copy.size
    else:
        size = portion(played.held, sale.done if sale.missed in applied.skipped else sale.share)
    master = sale.master
    gross = _gross(sale, size, applied, delay=applied.exit_delay, prices=applied.exit_prices)
    fee = sale.copy.fee if applied.fees else in_proportion(master.fee, size, master.size)
    played.sell(size, gross, fee, sale.copy.base_fee if applied.fees else ZERO)


def _gross(each: Entry | Exit, size: Decimal, applied: Counterfactual, *, delay: bool, prices: bool) -> Decimal:
    """Return what is paid or received: at the master's price, at the market's when the venue took the copy, or as it was.

    A copy whose market price is not known goes from the first to the last in one step of its own.
    """
    if applied.unseparated if is_unseparated(each) else prices:
        return each.copy.gross
    if delay and each.market is not None and not each.rested:
        return size * each.market
    return in_proportion(each.master.gross, size, each.master.size)


def is_unseparated(each: Entry | Exit) -> bool:
    """Return whether delay and slippage of a copy cannot be told apart."""
    return each.market is None and not each.rested


def _play_own_exit(played: _Play, sale: OwnExit, applied: Counterfactual) -> None:
    """Sell at the price of the sale in every counterfactual: the master has none to compare it with."""
    if sale.code not in applied.own_exits:
        return
    size = sale.copy.size if applied.rounded else portion(played.held, sale.share)
    gross = in_proportion(sale.copy.gross, size, sale.copy.size)
    if applied.fees:
        played.sell(size, gross, sale.copy.fee, sale.copy.base_fee)
    else:
        played.sell(size, gross, ZERO)


def _play_late(played: _Play, trade: LateTrade, applied: Counterfactual) -> None:
    if not applied.carried:
        return
    fees, move = (played.fees, played.base_fees), played.buy if trade.side is Side.BUY else played.sell
    move(trade.copy.size, trade.copy.gross, trade.copy.fee, trade.copy.base_fee)
    played.fees, played.base_fees = fees  # part of what was carried over, not of this period's difference in fees


def _add(parts: dict[tuple[Cause, str], Decimal], cause: Cause, line: str, amount: Decimal) -> None:
    parts[cause, line] = parts.get((cause, line), ZERO) + amount
