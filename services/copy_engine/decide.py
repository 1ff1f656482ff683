"""One decision: what a signal means for one user. Pure, and total: it answers for every input, or the caller makes it a skip.

Entries pass guards here; exits pass none. An exit is always copied, whatever state the account is in: the executor knows what
is held, and an exit that waits in the stream is an exit that is not lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from shared.domain.account import Account, AccountState
from shared.domain.book import Book
from shared.domain.control import Control, refusal
from shared.domain.instrument import Instrument, PairStatus
from shared.domain.money import ONE, Money, plain
from shared.domain.order import Copy, Decision, Kind, order_id
from shared.domain.policy import UserPolicy
from shared.domain.risk import Standing, barred
from shared.domain.risk_state import RiskState
from shared.domain.signal import Signal
from shared.domain.sizing import Sized, Skip, size_entry
from shared.domain.symbol import Symbol

_NO_ENTRIES: Final = frozenset({PairStatus.CANCEL_ONLY, PairStatus.POST_ONLY, PairStatus.REDUCE_ONLY})


@dataclass(frozen=True, slots=True)
class Follower:
    """A user as the engine sees him at the moment of a signal. What his settings do not need is not read, and stays empty."""

    policy: UserPolicy
    account: Account | None
    """None if nothing was ever recorded of the account at the signal's venue."""
    switches: tuple[Control, ...]
    book: Book = field(default_factory=Book)
    risk: RiskState | None = None
    master_cash: Money | None = None
    """What the master had before the entry."""
    held: frozenset[Symbol] = frozenset()
    """For an exit: the names under which something is held from copying."""
    trouble: str = ""
    """What could not be read; it skips entries and never an exit."""


def decide(signal: Signal, follower: Follower, instrument: Instrument | None, now: int) -> Decision:
    """Decide for one user; `instrument` is of the symbol as this user trades it, `now` in epoch ms."""
    if signal.kind is Kind.EXIT:
        close = Copy(base_size=None, fraction=signal.fraction, limit_price=None, not_after=None)
        reason = f"the master closed {plain(signal.fraction or ONE)} of its position"
        return _decision(signal, follower, _held_as(signal.symbol, follower), close, reason, now)
    sized = _size(signal, follower, instrument, now)
    if isinstance(sized, Skip):
        return skip(signal, follower, sized.reason, now)
    symbol = follower.policy.symbols.mapped(signal.symbol)
    return _decision(signal, follower, symbol, _entry(signal, follower, sized), sized.reason, now)


def skip(signal: Signal, follower: Follower, reason: str, now: int) -> Decision:
    """Make the decision not to copy."""
    return _decision(signal, follower, follower.policy.symbols.mapped(signal.symbol), None, reason, now)


def _size(signal: Signal, follower: Follower, instrument: Instrument | None, now: int) -> Sized | Skip:
    policy = follower.policy
    account = _usable_account(signal, follower)
    if isinstance(account, Skip):
        return account
    if follower.trouble:
        return Skip(follower.trouble)
    symbol = policy.symbols.mapped(signal.symbol)
    if instrument is None:
        return Skip(f"{symbol} is not traded on {signal.venue}")
    if instrument.status in _NO_ENTRIES:
        return Skip(f"{signal.venue} has {symbol} in {instrument.status} mode")
    if account.equity is None or account.cash is None:
        return Skip(f"balance unknown: {account.reason or 'it has not been read yet'}")
    if why := barred(policy, Standing(account, follower.book, follower.risk), symbol, now):
        return Skip(why)
    return size_entry(signal, account, policy, instrument, book=follower.book, master_cash=follower.master_cash)


def _usable_account(signal: Signal, follower: Follower) -> Account | Skip:
    policy, account = follower.policy, follower.account
    if not policy.enabled:
        return Skip(f"the user is disabled; only exits are followed (on_leave = {policy.on_leave})")
    if signal.venue not in policy.venues:
        return Skip(f"follows on {', '.join(policy.venues)}, not on {signal.venue}")
    if unwanted := policy.symbols.refusal(signal.symbol):
        return Skip(unwanted)
    if forbidden := refusal(signal.kind, *follower.switches):
        return Skip(forbidden)
    if account is None or account.state is AccountState.CONNECTING:
        return Skip(f"account at {signal.venue} is not connected yet")
    if account.state is AccountState.PARKED:
        return Skip(f"account is parked: {account.reason}")
    return account


def _held_as(symbol: Symbol, follower: Follower) -> Symbol:
    """Find the name under which a user holds what the master sells: he may have changed his map since he bought it."""
    mapped = follower.policy.symbols.mapped(symbol)
    if mapped in follower.held:
        return mapped
    others = sorted((name for name in follower.held if name.base == symbol.base), key=str)
    return others[0] if others else mapped


def _entry(signal: Signal, follower: Follower, sized: Sized) -> Copy:
    return Copy(
        base_size=sized.size,
        fraction=None,
        limit_price=sized.limit_price,
        not_after=signal.filled_at + follower.policy.guards.max_signal_age_ms,
    )


def _decision(signal: Signal, follower: Follower, symbol: Symbol, copy: Copy | None, reason: str, now: int) -> Decision:
    user = follower.policy.user
    return Decision(
        id=order_id(signal.id, user, signal.venue),
        signal_id=signal.id,
        user=user,
        venue=signal.venue,
        symbol=symbol,
        side=signal.side,
        kind=signal.kind,
        copy=copy,
        reason=reason,
        master_equity=signal.master_equity,
        user_equity=follower.account.equity if follower.account else None,
        signal_at=signal.filled_at,
        emitted_at=now,
    )
