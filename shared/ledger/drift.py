"""Drift: the difference between a user's target and what they hold from copying, per symbol. Pure; nothing here trades.

A target is what the user would hold now if everything had been copied without limits, minimums and misses. It follows what the
master's account holds, not its signals alone. A position that the master no longer holds is a stray. Only strays may be
repaired, by closing them, never by buying.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from shared.domain.account import Account
from shared.domain.limits.policy import OnLeave, SizingMode, UserPolicy
from shared.domain.portfolio import Portfolio
from shared.domain.position import Holdings, Position
from shared.domain.values.currency import counted_in
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol

_HUNDRED: Final = Decimal(100)
_SHOWN: Final = Decimal("0.01")
_SIZE: Final = Decimal("0.00000001")
_DUST: Final = Decimal(1)


_NOTHING: Final = Holdings({}, {})


@dataclass(frozen=True, slots=True)
class MasterHoldings:
    """The master's positions at a venue, and its equity (None if it is not known)."""

    equity: Money | None
    positions: Mapping[Symbol, Quantity] = field(default_factory=dict)
    unreadable: Holdings = _NOTHING
    """Holdings with unreadable records: whether the master still holds these positions is not known."""


@dataclass(frozen=True, slots=True)
class FollowerHoldings:
    """A user at one of their venues: settings, account (None if not known), and positions with prices."""

    policy: UserPolicy
    account: Account | None
    book: Portfolio
    copied: bool = True
    """Whether the master's entries are copied here; if not, what is left from before is only sold."""
    share: Decimal = ONE
    """The share of the equity with which a named master is followed."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One symbol of one user at one of their venues. `target` is None if it is not known, `pct` if there is none to compare with.

    `master` is the name of the one whose position it is compared with.
    """

    user: str
    venue: str
    symbol: Symbol
    target: Quantity | None
    held: Quantity
    pct: Decimal | None
    stray: bool
    note: str
    master: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """The scopes that close strays and nothing else: users and symbols; `left_out` are strays that no such scope contains."""

    users: tuple[str, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    left_out: tuple[Drift, ...] = ()


def drifts(
    venue: str, leader: MasterHoldings, follows: FollowerHoldings, prices: Mapping[Symbol, Price]
) -> list[Drift]:
    """Compare one user's positions with the master's, by the symbol that the user trades."""
    policy, held = follows.policy, follows.book.positions
    names = {policy.symbols.mapped(symbol): symbol for symbol, size in leader.positions.items() if size.amount > 0}
    found = []
    for symbol in sorted({*names, *held}, key=str):
        source = names.get(symbol) or next((each for each in names.values() if each.base == symbol.base), None)
        position = held.get(symbol)
        size = position.size if position else Quantity(ZERO, symbol.base)
        if source is None:
            if position is not None and size.amount > 0:
                found.append(_without_master(venue, leader, follows, position))
            continue
        target, note = _target(leader, follows, source, prices.get(symbol) or prices.get(source))
        if target is None or target.amount > 0 or size.amount > 0:
            found.append(Drift(policy.user, venue, symbol, target, size, _pct(size, target), stray=False, note=note))
    return found


def plan_repair(found: Sequence[Drift]) -> Repair:
    """Find the scopes that hold strays and no other position of value."""
    held = [each for each in found if each.held.amount > 0 and each.note != "dust"]
    users: dict[str, None] = {}
    symbols: dict[Symbol, None] = {}
    left_out = []
    for stray in (each for each in held if each.stray):
        if all(each.stray for each in held if each.user == stray.user):
            users[stray.user] = None
        elif all(each.stray for each in held if each.symbol == stray.symbol):
            symbols[stray.symbol] = None
        else:
            left_out.append(stray)
    return Repair(tuple(users), tuple(symbols), tuple(left_out))


def _without_master(venue: str, leader: MasterHoldings, follows: FollowerHoldings, position: Position) -> Drift:
    """Describe a position in a symbol that the master does not hold."""
    policy, note = follows.policy, ""
    if leader.unreadable.may_hold(position.symbol.base):
        words = "the record of the master's position cannot be read"
        return Drift(policy.user, venue, position.symbol, None, position.size, None, stray=False, note=words)
    if follows.book.value(position).amount < _DUST:
        note = "dust"
    elif not policy.enabled and policy.on_leave is OnLeave.KEEP:
        note = "kept: the user has left, and on_leave is keep"
    nothing = Quantity(ZERO, position.symbol.base)
    stray, words = not note, note or "the master no longer holds it"
    return Drift(policy.user, venue, position.symbol, nothing, position.size, None, stray=stray, note=words)


def _target(
    leader: MasterHoldings, follows: FollowerHoldings, source: Symbol, price: Price | None
) -> tuple[Quantity | None, str]:
    """Scale the master's position to a user. Return the target (None if it is not known), and a note."""
    policy, account, base = follows.policy, follows.account, source.base
    sizing, masters = policy.sizing, leader.positions[source]
    if not policy.enabled:
        return Quantity(ZERO, base), policy.fault or "the user is disabled"
    if not follows.copied:
        return Quantity(ZERO, base), "the master's entries are not copied here (any more): it is sold with the master's"
    if unwanted := policy.symbols.refusal(source):
        return Quantity(ZERO, base), unwanted
    if sizing.mode is SizingMode.MULTIPLIER:
        return masters.scaled(sizing.multiplier), ""
    if sizing.mode is SizingMode.FIXED_QUOTE:
        if price is None or sizing.quote_amount is None:
            return None, "no price is known"
        size = sizing.quote_amount * sizing.multiplier / price.amount
        return Quantity(size, base), "one entry of sizing.quote_amount at the present price"
    equity, lead = account.equity if account else None, leader.equity
    mine = counted_in(equity, lead.currency) if equity and lead else None
    if mine is None or lead is None or lead.amount <= 0:
        return None, "the ratio of the equities is not known"
    note = (
        "by the ratio of equities: the cash ratios at each entry are not recorded"
        if sizing.mode is SizingMode.CASH
        else ""
    )
    return masters.scaled(mine.ratio_to(lead) * follows.share * sizing.multiplier), note


def _pct(held: Quantity, target: Quantity | None) -> Decimal | None:
    if target is None or target.amount.quantize(_SIZE) <= 0:
        return None
    return ((held.amount - target.amount) / target.amount * _HUNDRED).quantize(_SHOWN)
