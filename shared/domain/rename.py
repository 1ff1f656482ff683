"""Assets that a venue has renamed: which name counts now, and what that makes of a position. Pure.

A table says what may happen; whether it has happened, the venue says: by the pairs that it lists and by where the coins are. A
position is moved whole or not at all, and two under one name become one: nothing is ever counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from shared.domain.account import Position
from shared.domain.limits.policy import SymbolPolicy
from shared.domain.values.money import ONE, ZERO, Price, Quantity
from shared.domain.values.symbol import Symbol


@dataclass(frozen=True, slots=True)
class Rename:
    """One asset's new name; 1 of the old is `ratio` of the new. An empty `new`: it is gone, and nothing came in its stead."""

    old: str
    new: str
    ratio: Decimal = ONE


class RenameAction(Enum):
    """What becomes of a position under a former name, now."""

    STAY = auto()  # the venue still trades it under that name
    MOVE = auto()  # the coins are there under the new name
    WAIT = auto()  # neither: the venue is in the middle of it


@dataclass(frozen=True, slots=True)
class Renames:
    """The renames of one venue."""

    table: tuple[Rename, ...] = ()

    @staticmethod
    def of(renames: Iterable[Rename]) -> Renames:
        """Put a table together. Raises ValueError for an asset that is renamed twice, or in a circle."""
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
        """Add what the venue itself says (old name to new); the table of the operator comes first."""
        known = {each.old for each in self.table}
        more = [Rename(old, new) for old, new in sorted(own.items()) if old not in known]
        try:
            return Renames.of((*self.table, *more)) if more else self
        except ValueError:
            return self  # the venue's own names contradict the operator's

    def present(self, asset: str) -> tuple[str, Decimal]:
        """Return the present name of an asset and what 1 of it is of that. Raises ValueError for a circle."""
        ratio, seen = ONE, {asset}
        while (each := self._step(asset)) is not None and each.new:
            asset, ratio = each.new, ratio * each.ratio
            if asset in seen:
                raise ValueError(f"{asset} is renamed in a circle")
            seen.add(asset)
        return asset, ratio

    def gone(self, asset: str) -> bool:
        """Say whether the operator has said that an asset is no more."""
        step = self._step(asset)
        return step is not None and not step.new

    def symbol(self, symbol: Symbol) -> Symbol:
        """Return the present name of a symbol."""
        if not self.table:
            return symbol
        return Symbol(self.present(symbol.base)[0], symbol.quote)

    def former(self, symbol: Symbol) -> tuple[Symbol, ...]:
        """Return the other names that stand for the same as this one, by the table: those that the present one had."""
        if not self.table:
            return ()
        present = self.present(symbol.base)[0]
        names = [each.old for each in self.table if self.present(each.old)[0] == present]
        return tuple(Symbol(name, symbol.quote) for name in (*names, present) if name != symbol.base)

    def ratio(self, old: Symbol, new: Symbol) -> Decimal:
        """Return what 1 of the old base is of the new one, both being names of the same."""
        return self.present(old.base)[1] / self.present(new.base)[1]

    def position(self, position: Position, symbol: Symbol) -> Position:
        """Return a position under another name of its symbol: another amount for the same cost."""
        ratio = self.ratio(position.symbol, symbol)
        high = position.high
        return replace(
            position,
            symbol=symbol,
            size=Quantity(position.size.amount * ratio, symbol.base),
            high=None if high is None else Price(high.amount / ratio, symbol),
        )

    def positions(self, held: Mapping[Symbol, Position]) -> dict[Symbol, Position]:
        """Return everything that is held under present names, for whoever compares what different books hold."""
        found: dict[Symbol, Position] = {}
        for symbol, position in held.items():
            name = self.symbol(symbol)
            moved = position if name == symbol else self.position(position, name)
            found[name] = merged(found[name], moved) if name in found else moved
        return found

    def _step(self, asset: str) -> Rename | None:
        return next((each for each in self.table if each.old == asset), None)


NO_RENAMES: Final = Renames()
_REST: Final = Decimal(100)


def under_all_names(symbols: SymbolPolicy, tables: Iterable[Renames]) -> SymbolPolicy:
    """Return a user's choice of symbols with their present names as well: what was excluded stays so when it is renamed."""
    include, exclude, mapped = set(symbols.include), set(symbols.exclude), dict(symbols.map)
    for table in tables:
        include |= {table.symbol(symbol) for symbol in symbols.include}
        exclude |= {table.symbol(symbol) for symbol in symbols.exclude}
        for source, target in symbols.map.items():
            mapped.setdefault(table.symbol(source), table.symbol(target))
    found = SymbolPolicy(frozenset(include), frozenset(exclude), mapped)
    return symbols if found == symbols else found


def merged(one: Position, other: Position) -> Position:
    """Return two positions of one symbol as one."""
    if not one.size.amount or not other.size.amount:
        return one if one.size.amount else other
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
    """Say what becomes of a position of `size` under a former name; the totals are the account's, of either name.

    As long as the account has coins of the old name they are what would be sold (a hundredth of the position is a rest that was
    left behind); with none of either, the venue has taken the old ones and not yet given the new, or its lists are old.
    """
    if old_total * _REST > size:
        return RenameAction.STAY if old_listed else RenameAction.WAIT
    return RenameAction.MOVE if new_listed and new_total > ZERO else RenameAction.WAIT
