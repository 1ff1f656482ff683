"""One decision: what a signal means for one user. Pure, and total: it answers for every input, or the caller makes it a skip.

Entries pass guards here; exits pass none. An exit is always copied, whatever state the account is in: the executor knows what
is held, and an exit that waits in the stream is an exit that is not lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.account import Account, AccountState
from shared.domain.control import Control, refusal
from shared.domain.instrument import Instrument, PairStatus
from shared.domain.money import ONE, plain
from shared.domain.order import Copy, Decision, Kind, order_id
from shared.domain.policy import UserPolicy
from shared.domain.signal import Signal
from shared.domain.sizing import Sized, Skip, size_entry


@dataclass(frozen=True, slots=True)
class Follower:
    """A user as the engine sees him at the moment of a signal."""

    policy: UserPolicy
    account: Account | None
    """None if nothing was ever recorded of the account at the signal's venue."""
    switches: tuple[Control, ...]


def decide(signal: Signal, follower: Follower, instrument: Instrument | None, now: int) -> Decision:
    """Decide for one user; `now` in epoch ms."""
    if signal.kind is Kind.EXIT:
        close = Copy(base_size=None, fraction=signal.fraction, limit_price=None, not_after=None)
        return _decision(
            signal, follower, close, f"the master closed {plain(signal.fraction or ONE)} of its position", now
        )
    account = _usable_account(signal, follower)
    if isinstance(account, Skip):
        return skip(signal, follower, account.reason, now)
    if instrument is None:
        return skip(signal, follower, f"{signal.symbol} is not traded on {signal.venue}", now)
    if instrument.status in {PairStatus.CANCEL_ONLY, PairStatus.POST_ONLY, PairStatus.REDUCE_ONLY}:
        return skip(signal, follower, f"{signal.venue} has {signal.symbol} in {instrument.status} mode", now)
    sized = size_entry(signal, account, follower.policy, instrument)
    if isinstance(sized, Skip):
        return skip(signal, follower, sized.reason, now)
    return _decision(signal, follower, _entry(signal, follower, sized), sized.reason, now)


def skip(signal: Signal, follower: Follower, reason: str, now: int) -> Decision:
    """Make the decision not to copy."""
    return _decision(signal, follower, Skip(reason), reason, now)


def _usable_account(signal: Signal, follower: Follower) -> Account | Skip:
    policy, account = follower.policy, follower.account
    if signal.venue not in policy.venues:
        return Skip(f"follows on {', '.join(policy.venues)}, not on {signal.venue}")
    if forbidden := refusal(signal.kind, *follower.switches):
        return Skip(forbidden)
    if account is None or account.state is AccountState.CONNECTING:
        return Skip(f"account at {signal.venue} is not connected yet")
    if account.state is AccountState.PARKED:
        return Skip(f"account is parked: {account.reason}")
    return account


def _entry(signal: Signal, follower: Follower, sized: Sized) -> Copy:
    return Copy(
        base_size=sized.size,
        fraction=None,
        limit_price=sized.limit_price,
        not_after=signal.filled_at + follower.policy.guards.max_signal_age_ms,
    )


def _decision(signal: Signal, follower: Follower, outcome: Copy | Skip, reason: str, now: int) -> Decision:
    user = follower.policy.user
    return Decision(
        id=order_id(signal.id, user, signal.venue),
        signal_id=signal.id,
        user=user,
        venue=signal.venue,
        symbol=signal.symbol,
        side=signal.side,
        kind=signal.kind,
        copy=outcome if isinstance(outcome, Copy) else None,
        reason=reason,
        master_equity=signal.master_equity,
        user_equity=follower.account.equity if follower.account else None,
        signal_at=signal.filled_at,
        emitted_at=now,
    )
