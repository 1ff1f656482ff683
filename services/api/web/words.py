"""Amounts, prices and instants as people read them, always with their unit. They are for display: nothing is computed from them.

Every function accepts the text of a stream as well, and returns it unchanged if it is not a number: a page must show a broken
record, not fail on it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from shared.domain.values.money import Money, Price, Quantity, plain

UNKNOWN: Final = "unknown"
_CENT: Final = Decimal("0.01")
_COIN: Final = Decimal("0.00000001")
_DIGITS: Final = 4
"""Significant digits that a price has at least."""
_MOST_DECIMALS: Final = 12
_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

Number = Decimal | str | int | None


def decimal_of(value: Number) -> Decimal | None:
    """Parse a finite decimal; None for anything else."""
    if value is None or value == "":
        return None
    try:
        found = Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    return found if found.is_finite() else None


def amount(value: Number, currency: str = "") -> str:
    """Format money: `1,240.00 USD`; `unknown` for None or a blank."""
    if value is None or value == "":
        return UNKNOWN
    found = decimal_of(value)
    return _with(str(value) if found is None else _rounded(found), currency)


def signed(value: Number, currency: str = "") -> str:
    """Format a gain or loss of money: `+12.40 USD`, `−3.00 USD`."""
    found = decimal_of(value)
    if found is None:
        return UNKNOWN if value is None or value == "" else str(value)
    text = _rounded(abs(found))
    sign = "" if Decimal(text.replace(",", "")) == 0 else "+" if found > 0 else "−"
    return _with(f"{sign}{text}", currency)


def money(value: Money | None) -> str:
    """Format an amount of money that has its currency."""
    return UNKNOWN if value is None else amount(value.amount, value.currency)


def gain(value: Money | None) -> str:
    """Format a gain or loss that has its currency."""
    return UNKNOWN if value is None else signed(value.amount, value.currency)


def size(value: Number, asset: str = "") -> str:
    """Format an amount of a coin with all its digits: `0.00012 BTC`."""
    if value is None or value == "":
        return UNKNOWN
    found = decimal_of(value)
    if found is None:
        return str(value)
    whole, dot, decimals = plain(found).partition(".")
    return _with(
        f"{int(whole):,}{dot}{decimals}" if whole.lstrip("-") not in {"", "0"} else f"{whole}{dot}{decimals}", asset
    )


def about(value: Quantity | None) -> str:
    """Format a computed amount of a coin, rounded to what venues take: `1.32453524 SOL`."""
    if value is None:
        return UNKNOWN
    return size(value.amount.quantize(_COIN).normalize(), value.asset)


def quantity(value: Quantity | None) -> str:
    """Format an amount of a coin that has its name."""
    return UNKNOWN if value is None else size(value.amount, value.asset)


def price(value: Number, currency: str = "") -> str:
    """Format a price with at least two decimals and four significant digits: `60,010.00 USD`, `0.00001234 USD`."""
    if value is None or value == "":
        return UNKNOWN
    found = decimal_of(value)
    if found is None:
        return str(value)
    decimals = 2 if found == 0 else min(max(2, _DIGITS - 1 - found.adjusted()), _MOST_DECIMALS)
    return _with(f"{found:,.{decimals}f}", currency)


def price_of(value: Price | None) -> str:
    """Format a price that has its symbol."""
    return UNKNOWN if value is None else price(value.amount, value.symbol.quote)


def percent(value: Number) -> str:
    """Format per cent with its sign: `+2.10 %`."""
    found = decimal_of(value)
    if found is None:
        return UNKNOWN
    text = f"{found:+,.2f} %".replace("-", "−")
    return text[1:] if text[1:] == "0.00 %" else text


def share(value: Number) -> str:
    """Format a fraction (0..1) of a position: `all` or `37 %`."""
    found = decimal_of(value)
    if found is None:
        return str(value or UNKNOWN)
    return "all" if found == 1 else f"{plain((found * 100).quantize(_CENT))} %"


def moment(at: int | None) -> str:
    """Format an instant (epoch ms) as UTC date and time; a dash if there is none."""
    return _strftime(at, "%Y-%m-%d %H:%M:%S")


def clock(at: int | None) -> str:
    """Format an instant (epoch ms) as UTC time of day; a dash if there is none."""
    return _strftime(at, "%H:%M:%S")


def duration(ms: int | None) -> str:
    """Format milliseconds: `120 ms`, `2.3 s`, `5 min`, `3 h`, `4 d`; a dash if they are not known."""
    if ms is None:
        return "–"
    if abs(ms) < 1000:
        return f"{ms} ms"
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if abs(ms) >= 2 * length:
            return f"{ms // length} {unit}"
    return f"{ms / 1000:.1f} s"


def code_words(code: str) -> str:
    """Write a reason code as words: `below minimum`."""
    return code.replace("_", " ")


def plural(count: int, one: str, many: str = "") -> str:
    """Count in words: `1 user`, `3 users`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _with(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def _rounded(value: Decimal) -> str:
    return f"{value:,.2f}"


def _strftime(at: int | None, form: str) -> str:
    if not at:
        return "–"
    try:
        return datetime.fromtimestamp(at / 1000, UTC).strftime(form)
    except (OverflowError, ValueError, OSError):
        return "–"
