"""Amounts that know their unit.

NIJA, the bot that Shoal replaces, mixed up base and quote amounts and kept 99.998 % of a position that it had to sell. Here an
amount of a coin, an amount of money and a price are three types, and only meaningful products of them are defined. Everything is
`Decimal`; floats are not accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.values.symbol import Symbol

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
BASIS_POINT: Final = Decimal("0.0001")
_SHOWN: Final = Decimal("0.00000001")


class UnitMismatchError(TypeError):
    """Two amounts of different units in one operation."""


def plain(value: Decimal) -> str:
    """Write a decimal without an exponent and without trailing zeros: `0.00005`, `60000`, `0`."""
    text = str(value)  # three times as fast as format(), with the same result where there is no exponent
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


@dataclass(frozen=True, slots=True, order=False)
class Quantity:
    """An amount of a base asset, e.g. 0.5 BTC."""

    amount: Decimal
    asset: str

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount + self._same(other), self.asset)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount - self._same(other), self.asset)

    def __mul__(self, price: Price) -> Money:
        if price.symbol.base != self.asset:
            raise UnitMismatchError(f"{self} at a price of {price.symbol}")
        return Money(self.amount * price.amount, price.symbol.quote)

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Quantity) -> bool:
        return self.amount <= self._same(other)

    def scaled(self, ratio: Decimal) -> Quantity:
        """Multiply by a pure number."""
        return Quantity(self.amount * ratio, self.asset)

    def floored(self, step: Decimal) -> Quantity:
        """Round down to a multiple of `step` (in the same asset); never up, so that no more is spent than intended."""
        return Quantity(floor_to(self.amount, step), self.asset)

    def _same(self, other: Quantity) -> Decimal:
        if other.asset != self.asset:
            raise UnitMismatchError(f"{self} and {other}")
        return other.amount

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.asset}"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount of a quote currency, e.g. 250 USD."""

    amount: Decimal
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __truediv__(self, price: Price) -> Quantity:
        if price.symbol.quote != self.currency:
            raise UnitMismatchError(f"{self} at a price of {price.symbol}")
        return Quantity(self.amount / price.amount, price.symbol.base)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def scaled(self, ratio: Decimal) -> Money:
        """Multiply by a pure number."""
        return Money(self.amount * ratio, self.currency)

    def ratio_to(self, other: Money) -> Decimal:
        """Return the ratio of two amounts of one currency. Raises an ArithmeticError of `decimal` if `other` is zero."""
        return self.amount / self._same(other)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise UnitMismatchError(f"{self} and {other}")
        return other.amount

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency}"


@dataclass(frozen=True, slots=True)
class Price:
    """Quote units for one base unit of a symbol."""

    amount: Decimal
    symbol: Symbol

    def shifted(self, basis_points: Decimal) -> Price:
        """Return the price moved by basis points: +50 turns 100 into 100.5."""
        return Price(self.amount * (ONE + basis_points * BASIS_POINT), self.symbol)

    def floored(self, tick: Decimal) -> Price:
        """Round down to a multiple of the tick."""
        return Price(floor_to(self.amount, tick), self.symbol)

    def ceiled(self, tick: Decimal) -> Price:
        """Round up to a multiple of the tick."""
        return Price(ceil_to(self.amount, tick), self.symbol)

    def shown(self) -> Decimal:
        """Return the amount rounded to 8 decimals, for reports and people: an average over fills can have many digits."""
        return self.amount.quantize(_SHOWN)

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.symbol.quote}"


def floor_to(amount: Decimal, step: Decimal) -> Decimal:
    """Round `amount` down to a multiple of `step` (> 0).

    The integer division is exact; a quotient rounded to 28 digits could end on the multiple above.
    """
    floored = amount // step * step  # towards zero
    return floored - step if floored > amount else floored


def ceil_to(amount: Decimal, step: Decimal) -> Decimal:
    """Round `amount` up to a multiple of `step` (> 0)."""
    return -floor_to(-amount, step)
