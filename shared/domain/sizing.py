"""How much of a master's entry a user copies.

The one rule that must never break: whatever goes wrong in here, the user is skipped with the reason; nobody ever receives the
master's size unless he has asked for a share of just that. Sizes are rounded down; only a user who asks for `round_up` is
rounded up, to the venue's minimum, and never above a limit or his cash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.account import Account
from shared.domain.book import Book
from shared.domain.currency import alike, counted_in
from shared.domain.instrument import Instrument
from shared.domain.money import Money, Price, Quantity, plain
from shared.domain.order import Side
from shared.domain.policy import BelowMinimum, SizingMode, UserPolicy
from shared.domain.risk import Cap, Standing, caps, shown, tightest
from shared.domain.signal import Signal
from shared.domain.skip import Skip

__all__ = ["Sized", "Skip", "entry_limit", "size_entry"]

_SHOWN: Final = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Sized:
    """An entry that may go out, and the arithmetic behind it."""

    size: Quantity
    limit_price: Price
    reason: str


def size_entry(
    signal: Signal,
    account: Account,
    policy: UserPolicy,
    instrument: Instrument,
    *,
    book: Book | None = None,
    master_cash: Money | None = None,
) -> Sized | Skip:
    """Scale a master's entry to a user, within limits, funds and the venue's minimums.

    The limit price is the master's fill plus the user's slippage, on the tick inside that bound, in the quote currency that this
    user trades the symbol in. `book` is needed by limits on what is held, `master_cash` (before the entry) by the mode `cash`.
    """
    symbol = policy.symbols.mapped(signal.symbol)
    if not alike(symbol.quote, signal.symbol.quote):
        return Skip(
            f"{symbol} is priced in {symbol.quote}, the master's fill in {signal.symbol.quote}: no rate is known"
        )
    bounds = caps(policy, Standing(account, book or Book()), symbol)
    if isinstance(bounds, Skip):
        return bounds
    fill = Price(signal.price.amount, symbol)
    limit_price = entry_limit(fill, signal.side, policy.guards.max_slippage_bps, instrument.tick)
    wanted = _wanted(signal, account, policy, limit_price, master_cash)
    if isinstance(wanted, Skip):
        return wanted
    return _within(wanted, bounds, limit_price, policy.sizing.below_minimum, instrument)


def entry_limit(fill: Price, side: Side, slippage_bps: Decimal, tick: Decimal) -> Price:
    """Give the worst price an entry accepts: the master's fill shifted by the slippage, rounded to the safe side."""
    if side is Side.BUY:
        return fill.shifted(slippage_bps).floored(tick)
    return fill.shifted(-slippage_bps).ceiled(tick)


@dataclass(frozen=True, slots=True)
class _Wanted:
    size: Quantity
    arithmetic: str


def _wanted(
    signal: Signal, account: Account, policy: UserPolicy, limit_price: Price, master_cash: Money | None
) -> _Wanted | Skip:
    sizing = policy.sizing
    times = _factor(sizing.multiplier)
    match sizing.mode:
        case SizingMode.FIXED_QUOTE:
            if sizing.quote_amount is None:
                return Skip("sizing.mode is fixed_quote, but sizing.quote_amount is not set")
            amount = Money(sizing.quote_amount, limit_price.symbol.quote)
            size = amount.scaled(sizing.multiplier) / limit_price
            return _Wanted(size, f"{shown(amount)} x {times} / {plain(limit_price.amount)} = {_amount(size)}")
        case SizingMode.MULTIPLIER:
            size = signal.base_size.scaled(sizing.multiplier)
            return _Wanted(size, f"{plain(signal.base_size.amount)} x {times} = {_amount(size)}")
        case SizingMode.CASH:
            mine, masters, what = account.cash, master_cash, "cash"
        case SizingMode.EQUITY:
            mine, masters, what = account.equity, signal.master_equity, "equity"
    if masters is None:
        return Skip(f"the master's {what} is not known: no ratio can be taken")
    if masters.amount <= 0:
        return Skip(f"the master's {what} is {masters}: no ratio can be taken")
    counted = None if mine is None else counted_in(mine, masters.currency)
    if counted is None:
        return Skip(f"{what} in different currencies: {mine} and {masters}")
    size = signal.base_size.scaled(counted.ratio_to(masters) * sizing.multiplier)
    ratio = f"{shown(counted)}/{shown(masters)}"
    return _Wanted(size, f"{plain(signal.base_size.amount)} x {ratio} x {times} = {_amount(size)}")


def _within(
    wanted: _Wanted, bounds: Sequence[Cap], limit_price: Price, below_minimum: BelowMinimum, instrument: Instrument
) -> Sized | Skip:
    most, why = tightest(bounds, limit_price)
    steps = [wanted.arithmetic]
    allowed = wanted.size
    if most < allowed:
        allowed = most
        steps.append(f"cut to {_amount(allowed)} by {why}")
    size = allowed.floored(instrument.lot_step)
    steps.append(f"floored to {plain(size.amount)}; min {plain(instrument.min_size)}")
    missed = instrument.below_minimum(size, limit_price)
    if missed and below_minimum is BelowMinimum.ROUND_UP:
        least = instrument.least(limit_price)
        if least <= most:
            steps.append(f"rounded up to {plain(least.amount)} by sizing.below_minimum")
            return Sized(least, limit_price, ", ".join(steps))
        steps.append(f"not rounded up to {plain(least.amount)}, which is above {why}")
    arithmetic = ", ".join(steps)
    if missed:
        return Skip(f"below venue minimum: {missed} ({arithmetic})")
    return Sized(size, limit_price, arithmetic)


def _factor(multiplier: Decimal) -> str:
    text = plain(multiplier)
    return text if "." in text else f"{text}.0"


def _amount(value: Quantity) -> str:
    return plain(value.amount.quantize(_SHOWN))
