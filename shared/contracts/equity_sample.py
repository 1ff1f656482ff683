"""The samples of an account's equity: the string `shoal:equity:{user}:<venue>:<step>`, a ring of records of one width.

There is a ring for each resolution. A stream would need three times the memory, and Redis keeps what is trimmed from a stream
until a hundred entries are gone; here a sample takes the place of the one that is too old. Text, so that a person can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

_STEP: Final = Decimal("0.0001")
_WIDE: Final = Context(prec=60)
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_START: Final = 5
"""Digits of an instant, in minutes since the epoch to base 36: until the year 2085."""
_AMOUNT: Final = 10
"""Characters of an amount, in ten thousandths to base 36, with its sign."""
_CURRENCY: Final = 11
_HEADER: Final = _START + _CURRENCY
RECORD: Final = _START + 2 * _AMOUNT


@dataclass(frozen=True, slots=True)
class EquityStep:
    """A resolution: the length of an interval, and how long its samples are kept, in ms."""

    length_ms: int
    kept_ms: int

    def start(self, at: int) -> int:
        """Return the start of the interval of an instant (epoch ms)."""
        return at - at % self.length_ms

    @property
    def places(self) -> int:
        """Return how many samples are kept."""
        return self.kept_ms // self.length_ms

    @property
    def size(self) -> int:
        """Return the bytes of the ring."""
        return _HEADER + self.places * RECORD

    def offset(self, start: int) -> int:
        """Return where the sample of the interval that starts at `start` (epoch ms) is in the ring."""
        return _HEADER + start // self.length_ms % self.places * RECORD


EQUITY_STEPS: Final[Mapping[str, EquityStep]] = {
    "minute": EquityStep(_MINUTE_MS, _HOUR_MS),
    "quarter": EquityStep(15 * _MINUTE_MS, _DAY_MS),
    "hour": EquityStep(_HOUR_MS, 14 * _DAY_MS),
    "half_day": EquityStep(12 * _HOUR_MS, 90 * _DAY_MS),
}
"""By name, finest first."""


@dataclass(frozen=True, slots=True)
class EquitySample:
    """The equity as the account's record states it, and the profit of copying, realised and unrealised; both in `currency`.

    To 4 decimals: a curve needs no more. None if it was not known: something that is held has no price.
    """

    currency: str
    equity: Decimal | None = None
    pnl: Decimal | None = None


def sampled(amount: Decimal | None) -> Decimal | None:
    """Round an amount as samples state it; None if it is not known."""
    return None if amount is None else amount.quantize(_STEP, context=_WIDE)


def write_start(start: int) -> str:
    """Return the minute of an instant (epoch ms) as the digits of a record; they compare in the sequence of time."""
    return _to_base(start // _MINUTE_MS).rjust(_START, "0")


def write_currency(currency: str) -> str:
    """Return a currency as the text of a ring's header."""
    return currency[:_CURRENCY].ljust(_CURRENCY)


def write_sample(at: int, sample: EquitySample) -> str:
    """Return the record of a sample of the instant `at` (epoch ms), stated to the minute."""
    return f"{write_start(at)}{_write_amount(sample.equity)}{_write_amount(sample.pnl)}"


def read_ring(text: str, step: EquityStep, since: int = 0) -> list[tuple[int, EquitySample]]:
    """Return the samples of a ring that are not older than `since` (epoch ms) and than they are kept, oldest first.

    Each with its minute in epoch ms. Records that cannot be read, and places without one, are left out.
    """
    newest, currency = _read_base(text[:_START]), text[_START:_HEADER].strip()
    if newest is None:
        return []
    oldest = max(since, newest * _MINUTE_MS - step.kept_ms + step.length_ms)
    found = []
    for place in range(_HEADER, len(text) - RECORD + 1, RECORD):
        minutes = _read_base(text[place : place + _START])
        if minutes is None or minutes * _MINUTE_MS < oldest:
            continue
        equity, pnl = text[place + _START : place + _START + _AMOUNT], text[place + _START + _AMOUNT : place + RECORD]
        found.append((minutes * _MINUTE_MS, EquitySample(currency, _read_amount(equity), _read_amount(pnl))))
    return sorted(found, key=lambda each: each[0])


def _write_amount(amount: Decimal | None) -> str:
    """Return an amount in its width; one that is not known, or too wide for it, is blank."""
    if amount is None:
        return " " * _AMOUNT
    number = int(amount.scaleb(4, context=_WIDE).to_integral_value(context=_WIDE))
    digits = ("-" if number < 0 else "") + _to_base(abs(number))
    return digits.rjust(_AMOUNT) if len(digits) <= _AMOUNT else " " * _AMOUNT


def _read_amount(text: str) -> Decimal | None:
    digits = text.strip()
    number = _read_base(digits.removeprefix("-"))
    if number is None:
        return None
    return Decimal(-number if digits.startswith("-") else number).scaleb(-4, context=_WIDE)


def _to_base(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def _read_base(digits: str) -> int | None:
    """Return a number; None for anything but digits."""
    return (
        int(digits, 36)
        if digits and digits.isascii() and digits.isalnum() and digits.islower() | digits.isdigit()
        else None
    )
