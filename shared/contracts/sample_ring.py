"""A ring of samples in a string: records of one width, the place of each given by its interval, so that the oldest is replaced.

A stream would need three times the memory, and Redis keeps what is trimmed from a stream until a hundred entries are gone. Text,
so that a person can read it: a header with the newest interval and a label, then the records, each with its minute first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

MINUTE_MS: Final = 60_000
AMOUNT: Final = 10
"""Characters of an amount, to base 36, with its sign."""
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_START: Final = 5
"""Digits of an instant, in minutes since the epoch to base 36: until the year 2085."""
_LABEL: Final = 11
_HEADER: Final = _START + _LABEL
_WIDE: Final = Context(prec=60)


@dataclass(frozen=True, slots=True)
class SampleRing:
    """A resolution: the length of an interval, how long its samples are kept, in ms, and the amounts of a record."""

    length_ms: int
    kept_ms: int
    amounts: int

    @property
    def record(self) -> int:
        """Return the bytes of a record."""
        return _START + self.amounts * AMOUNT

    @property
    def places(self) -> int:
        """Return how many samples are kept."""
        return self.kept_ms // self.length_ms

    @property
    def size(self) -> int:
        """Return the bytes of the ring."""
        return _HEADER + self.places * self.record

    def start(self, at: int) -> int:
        """Return the start of the interval of an instant (epoch ms)."""
        return at - at % self.length_ms

    def offset(self, at: int) -> int:
        """Return where the sample of the interval of an instant (epoch ms) is in the ring."""
        return _HEADER + at // self.length_ms % self.places * self.record

    def read(self, text: str, since: int = 0) -> tuple[str, list[tuple[int, list[str]]]]:
        """Return the label, and the samples that are not older than `since` (epoch ms) and than they are kept, oldest first.

        Each with its minute in epoch ms and the texts of its amounts. Places without a record are left out.
        """
        newest = _read_base(text[:_START])
        if newest is None:
            return "", []
        oldest = max(since, newest * MINUTE_MS - self.kept_ms + self.length_ms)
        found = []
        for place in range(_HEADER, len(text) - self.record + 1, self.record):
            minutes = _read_base(text[place : place + _START])
            if minutes is not None and minutes * MINUTE_MS >= oldest:
                found.append((minutes * MINUTE_MS, list(self._amounts(text, place + _START))))
        return text[_START:_HEADER].strip(), sorted(found)

    def _amounts(self, text: str, place: int) -> Iterator[str]:
        for number in range(self.amounts):
            yield text[place + number * AMOUNT : place + (number + 1) * AMOUNT]


def write_minute(at: int) -> str:
    """Return the minute of an instant (epoch ms) as the digits of a record; they compare in the sequence of time."""
    return _to_base(at // MINUTE_MS).rjust(_START, "0")


def write_label(label: str) -> str:
    """Return a label as the text of a ring's header."""
    return label[:_LABEL].ljust(_LABEL)


def write_amount(amount: Decimal | None, decimals: int) -> str:
    """Return an amount in its width; one that is not known, or too wide for it, is blank."""
    if amount is None:
        return " " * AMOUNT
    number = int(amount.scaleb(decimals, context=_WIDE).to_integral_value(context=_WIDE))
    digits = ("-" if number < 0 else "") + _to_base(abs(number))
    return digits.rjust(AMOUNT) if len(digits) <= AMOUNT else " " * AMOUNT


def read_amount(text: str, decimals: int) -> Decimal | None:
    """Return the amount in the text of a record; None if it was not known."""
    digits = text.strip()
    number = _read_base(digits.removeprefix("-"))
    if number is None:
        return None
    return Decimal(-number if digits.startswith("-") else number).scaleb(-decimals, context=_WIDE)


def _to_base(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def _read_base(digits: str) -> int | None:
    """Return a number; None for anything but digits."""
    return int(digits, 36) if digits and all(digit in _DIGITS for digit in digits) else None
