"""Assets that a venue has renamed: the present name, and what a position becomes under it. Pure.

A table lists what may be renamed; the pairs that the venue lists and the account's balances show whether it has happened. A
position is moved as a whole or not at all, and two under one name are merged: no coin is ever counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from shared.domain.limits.policy import SymbolPolicy
from shared.domain.position import Position
from shared.domain.values.money import ONE, ZERO, Price, Quantity
from shared.domain.values.symbol import Symbol


@dataclass(frozen=True, slots=True)
class Rename:
    """The new name of one asset; 1 of the old is `ratio` of the new. An empty `new`: the asset is gone without a successor."""

    old: str
    new: str
    ratio: Decimal = ONE


class RenameAction(Enum):
    """What to do now with a position under a former name."""

    STAY = auto()  # the venue still trades it under that name
    MOVE = auto()  # the coins are there under the new name
    WAIT = auto()  # neither: the venue has not finished the rename


@dataclass(frozen=True, slots=True)
class Renames:
    """The renames of one venue."""

    table: tuple[Rename, ...] = ()

    @staticmethod
    def of(renames: Iterable[Rename]) -> Renames:
        """Return a table of renames. Raises ValueError for an asset that is renamed twice or in a circle."""
        table = tuple(renames)
        olds = [each.old for each in table]
        for old in olds:
            if olds.count(old) > 1:
                raise ValueError(f"{old} is renamed twice")
        found = Renames(table)
        for old in olds:
            found.present(old)
        return found

    def plus(self, own: Mapping[str, str]) -> Renames:
        """Return the table with the venue's own renames (old name to new) added; the operator's table has precedence."""
        known = {each.old for each in self.table}
        more = [Rename(old, new) for old, new in sorted(own.items()) if old not in known]
        try:
            return Renames.of((*self.table, *more)) if more else self
        except ValueError:
            return self  # the venue's renames contradict the operator's

    def present(self, asset: str) -> tuple[str, Decimal]:
        """Return the present name of an asset and how much of it 1 of this asset is. Raises ValueError for a circle."""
        ratio, seen = ONE, {asset}
        while (each := self._step(asset)) is not None and each.new:
            asset, ratio = each.new, ratio * each.ratio
            if asset in seen:
                raise ValueError(f"{asset} is renamed in a circle")
            seen.add(asset)
        return asset, ratio

    def gone(self, asset: str) -> bool:
        """Return whether the operator's table declares an asset gone."""
        step = self._step(asset)
        return step is not None and not step.new

    def symbol(self, symbol: Symbol) -> Symbol:
        """Return the present name of a symbol."""
        if not self.table:
            return symbol
        return Symbol(self.present(symbol.base)[0], symbol.quote)

    def former(self, symbol: Symbol) -> tuple[Symbol, ...]:
        """Return the other names of the same symbol, by the table: present and former ones."""
        if not self.table:
            return ()
        present = self.present(symbol.base)[0]
        names = [each.old for each in self.table if self.present(each.old)[0] == present]
        return tuple(Symbol(name, symbol.quote) for name in (*names, present) if name != symbol.base)

    def ratio(self, old: Symbol, new: Symbol) -> Decimal:
        """Return how much of the new base 1 of the old base is; both are names of the same asset."""
        return self.present(old.base)[1] / self.present(new.base)[1]

    def position(self, position: Position, symbol: Symbol) -> Position:
        """Return a position under another name of its symbol: the amount changes by the ratio, the cost stays."""
        if position.books:
            books = {master: self.position(book, symbol) for master, book in position.books}
            return Position.of_books(symbol, books, position.updated_at)
        ratio = self.ratio(position.symbol, symbol)
        high = position.high
        return replace(
            position,
            symbol=symbol,
            size=Quantity(position.size.amount * ratio, symbol.base),
            high=None if high is None else Price(high.amount / ratio, symbol),
        )

    def positions(self, held: Mapping[Symbol, Position]) -> dict[Symbol, Position]:
        """Return all positions under present names, for comparing records that were written under different names."""
        found: dict[Symbol, Position] = {}
        for symbol, position in held.items():
            name = self.symbol(symbol)
            moved = position if name == symbol else self.position(position, name)
            found[name] = merged(found[name], moved) if name in found else moved
        return found

    def _step(self, asset: str) -> Rename | None:
        return next((each for each in self.table if each.old == asset), None)


NO_RENAMES: Final = Renames()
_REMAINDER: Final = Decimal(100)


def under_all_names(symbols: SymbolPolicy, tables: Iterable[Renames]) -> SymbolPolicy:
    """Return a user's symbol settings with the present names added: an excluded symbol stays excluded when it is renamed."""
    include, exclude, mapped = set(symbols.include), set(symbols.exclude), dict(symbols.map)
    for table in tables:
        include |= {table.symbol(symbol) for symbol in symbols.include}
        exclude |= {table.symbol(symbol) for symbol in symbols.exclude}
        for source, target in symbols.map.items():
            mapped.setdefault(table.symbol(source), table.symbol(target))
    found = SymbolPolicy(include=frozenset(include), exclude=frozenset(exclude), map=mapped)
    return symbols if found == symbols else found


def merged(one: Position, other: Position) -> Position:
    """Return the sum of two positions of one symbol; each master's books are added for themselves."""
    if not one.size.amount or not other.size.amount:
        return one if one.size.amount else other
    if one.books or other.books:
        masters = {*one.split(), *other.split()}
        books = {master: merged(one.book(master), other.book(master)) for master in masters}
        return Position.of_books(one.symbol, books, max(one.updated_at, other.updated_at))
    highs = [each.high for each in (one, other) if each.high is not None]
    return Position(
        symbol=one.symbol,
        size=one.size + other.size,
        cost=one.cost + other.cost,
        opened_at=min(one.opened_at, other.opened_at),
        updated_at=max(one.updated_at, other.updated_at),
        high=max(highs, key=lambda high: high.amount, default=None),
    )


def rename_action(
    size: Decimal, *, old_listed: bool, old_total: Decimal, new_listed: bool, new_total: Decimal
) -> RenameAction:
    """Return what to do with a position of `size` under a former name; the totals are the account's balances of either name.

    While the account has coins of the old name, an exit must sell those (less than a hundredth of the position is a remainder
    that the venue left behind). With none of either name, the venue has not credited the new coins yet, or its lists are old.
    """
    if old_total * _REMAINDER > size:
        return RenameAction.STAY if old_listed else RenameAction.WAIT
    return RenameAction.MOVE if new_listed and new_total > ZERO else RenameAction.WAIT
