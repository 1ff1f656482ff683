"""How much of a master's entry a user copies.

The one rule that must never break: whatever goes wrong in here, the user is skipped with the reason; nobody ever receives the
master's size. Sizes are only ever rounded down.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.account import Account
from shared.domain.instrument import Instrument
from shared.domain.money import ONE, Money, Price, Quantity, plain
from shared.domain.order import Side
from shared.domain.policy import UserPolicy
from shared.domain.signal import Signal

_PER_CENT: Final = Decimal("0.01")
_SHOWN: Final = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Sized:
    """An entry that may go out, and the arithmetic behind it."""

    size: Quantity
    limit_price: Price
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """A denial of ours: a value, not an exception."""

    reason: str


def size_entry(signal: Signal, account: Account, policy: UserPolicy, instrument: Instrument) -> Sized | Skip:
    """Scale a master's entry to a user's equity, within limits, funds and the venue's minimums.

    The limit price is the master's fill plus the user's slippage, on the tick inside that bound.
    """
    if account.equity is None or account.cash is None:
        return Skip(f"balance unknown: {account.reason or 'it has not been read yet'}")
    if signal.master_equity.amount <= 0:
        return Skip(f"the master's equity is {signal.master_equity}: no ratio can be taken")
    if account.equity.currency != signal.master_equity.currency:
        return Skip(f"equities in different currencies: {account.equity} and {signal.master_equity}")
    limit_price = entry_limit(signal.price, signal.side, policy.guards.max_slippage_bps, instrument.tick)
    multiplier = policy.sizing.multiplier
    ratio = account.equity.ratio_to(signal.master_equity) * multiplier
    wanted = signal.base_size.scaled(ratio)
    equities = f"{_money(account.equity)}/{_money(signal.master_equity)}"
    steps = [f"{plain(signal.base_size.amount)} x {equities} x {plain(multiplier)} = {_amount(wanted)}"]
    for cap, why in _caps(account.equity, account.cash, account.taker_fee, policy):
        most = cap / limit_price
        if most < wanted:
            wanted = most
            steps.append(f"cut to {_amount(wanted)} by {why}")
    size = wanted.floored(instrument.lot_step)
    steps.append(f"floored to {plain(size.amount)}; min {plain(instrument.min_size)}")
    arithmetic = ", ".join(steps)
    missed = instrument.below_minimum(size, limit_price)
    if missed:
        return Skip(f"below venue minimum: {missed} ({arithmetic})")
    return Sized(size, limit_price, arithmetic)


def entry_limit(fill: Price, side: Side, slippage_bps: Decimal, tick: Decimal) -> Price:
    """Give the worst price an entry accepts: the master's fill shifted by the slippage, rounded to the safe side."""
    if side is Side.BUY:
        return fill.shifted(slippage_bps).floored(tick)
    return fill.shifted(-slippage_bps).ceiled(tick)


def _caps(equity: Money, cash: Money, taker_fee: Decimal, policy: UserPolicy) -> list[tuple[Money, str]]:
    caps = []
    limits = policy.limits
    if limits.max_order_pct is not None:
        share = equity.scaled(limits.max_order_pct * _PER_CENT)
        caps.append((share, f"limits.max_order_pct {plain(limits.max_order_pct)} ({_money(share)})"))
    if limits.max_order_quote is not None:
        most = Money(limits.max_order_quote, cash.currency)
        caps.append((most, f"limits.max_order_quote {_money(most)}"))
    # The venue holds the fee beside the price, so only this much of the cash can be spent.
    spendable = cash.scaled(ONE / (ONE + taker_fee))
    caps.append((spendable, f"available funds {_money(cash)} less fee"))
    return caps


def _money(value: Money) -> str:
    return f"{value.amount:,.2f}"


def _amount(value: Quantity) -> str:
    return plain(value.amount.quantize(_SHOWN))
