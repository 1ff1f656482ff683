"""The decision to join a position that the master had open when a user started to follow (`on_join = "copy_open"`). Pure.

It is an entry like any other, as if the master had just bought everything that it holds now: sized by the user's mode, under all
of the user's limits, guards and switches. Its price has two bounds, of which the lower counts: the master's average price plus
`on_join_bps`, and the present price plus `max_slippage_bps`. Missing facts are waited for; in the end they are a skip, never a
guess.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from services.copy_engine.followers.open_positions import JoinablePosition
from shared.domain.account import Account, AccountState
from shared.domain.copying.decision_plan import decide, decide_skip, not_ready
from shared.domain.copying.follower import Follower
from shared.domain.key_report import entries_refused
from shared.domain.limits.policy import SizingMode, UserPolicy
from shared.domain.limits.risk import MAX_BALANCE_AGE_MS, balance_unknown
from shared.domain.order import Decision
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.sizing import master_equity_unknown
from shared.domain.skip import Skip
from shared.domain.values.currency import alike
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import BASIS_POINT, ONE, ZERO, Price, Quantity, plain

PATIENCE_MS: Final = 600_000
"""How long to wait for an account that is not ready or a price that is not known."""
_PRICE_AGE_MS: Final = 60_000
"""The feed publishes every price each 15 s: an older price than this counts as unknown."""


@dataclass(frozen=True, slots=True)
class JoinDelay:
    """The decision has to wait; `reason` says for what."""

    reason: str


@dataclass(frozen=True, slots=True)
class JoinContext:
    """What joining needs to know beside the follower, at the moment of joining."""

    price: tuple[Price, int] | None
    """The last price of the symbol as the user trades it, and its instant (epoch ms)."""
    master: Account | None
    """None if the master's account is not recorded: then its equity is taken from its signals."""
    held: Collection[str] = ()
    """Assets that the user holds from copying."""


def decide_join(
    joinable: JoinablePosition,
    follower: Follower,
    context: JoinContext,
    instrument: Instrument | None,
    now: int,
    waited: int,
) -> Decision | JoinDelay:
    """Decide whether and how a user joins one open position at `now` (epoch ms), after waiting for `waited` ms."""
    signal = as_one_entry(joinable, context.master, now)
    average = joinable.position.average
    if joinable.added is not None:
        why = f"not joined: the master has added to it since, see signal {joinable.added.id}"
        return decide_skip(signal, follower, Skip(why, ReasonCode.POSITION_INCREASED), now)
    if follower.policy.symbols.mapped(signal.symbol).base in context.held:
        why = f"not joined: {signal.symbol.base} is held from copying already"
        return decide_skip(signal, follower, Skip(why, ReasonCode.ALREADY_HELD), now)
    if average is None:
        why = "not joined: the signals by which the master opened this position are no longer known"
        return decide_skip(signal, follower, Skip(why, ReasonCode.HISTORY_INCOMPLETE), now)
    intro = f"joins the master's {joinable.position.size} of {average} on average"
    if _wanted(signal, follower):
        if (missing := _missing(signal, follower, context, now)) is not None:
            if waited < PATIENCE_MS:
                return JoinDelay(missing.reason)
            why = f"{intro}: waited {waited // 1000} s, but {missing.reason}"
            return decide_skip(signal, follower, Skip(why, missing.code), now)
        if too_high := _price_above_bound(signal, follower.policy, context):
            return decide_skip(signal, follower, Skip(f"{intro}: {too_high}", ReasonCode.PRICE_TOO_HIGH), now)
    if context.price is not None:
        intro += f", now at {context.price[0]}"
    bound, policy = _bound(signal, follower.policy, context)
    # Both bounds are in the signal's price already: another venue's own price adds none.
    price = None if context.price is None else Price(bound.price.amount, context.price[0].symbol)
    decision = decide(bound, replace(follower, policy=policy), instrument, now, price)
    return replace(decision, reason=f"{intro}: {decision.reason}")


def as_one_entry(joinable: JoinablePosition, master: Account | None, now: int) -> Signal:
    """Return everything that the master holds of a position as one entry of `now`, under the id of its latest signal."""
    position, signal = joinable.position, joinable.latest.signal
    average = position.average or signal.price
    return replace(
        signal,
        base_size=position.size,
        quote_size=position.size * average,
        price=average,
        position_before=Quantity(ZERO, signal.symbol.base),
        position_after=position.size,
        master_equity=position.entries[-1].signal.master_equity if master is None else master.equity,
        equity_reason=position.entries[-1].signal.equity_reason if master is None else master.reason,
        filled_at=now,
        emitted_at=now,
    )


def _wanted(signal: Signal, follower: Follower) -> bool:
    """Return whether the settings allow a copy at all; if not, there is nothing to wait for."""
    policy = follower.policy
    return (
        policy.enabled
        and policy.venue_for(signal.leader) is not None
        and not policy.symbols.refusal(signal.symbol)
        and alike(policy.symbols.mapped(signal.symbol).quote, signal.symbol.quote)
    )


def _missing(signal: Signal, follower: Follower, context: JoinContext, now: int) -> Skip | None:
    """Return what is not known yet and may still come; None if nothing is missing."""
    if why := follower.policy.waits(signal.leader):
        return Skip(f"[follow] was changed: {why}", ReasonCode.FOLLOW_CHANGED)
    if (missing := _missing_of_account(signal, follower, now)) is not None:
        return missing
    if (missing := _missing_of_master(signal, follower.policy, context.master, now)) is not None:
        return missing
    if context.price is None:
        return Skip("no price is known", ReasonCode.PRICE_UNKNOWN)
    if (age := now - context.price[1]) > _PRICE_AGE_MS:
        return Skip(f"the last price is {age // 1000} s old", ReasonCode.PRICE_UNKNOWN)
    return None


def _missing_of_account(signal: Signal, follower: Follower, now: int) -> Skip | None:
    account = follower.account
    if account is None or account.state is not AccountState.READY:
        return not_ready(account, follower.venue or signal.venue)
    if (unchecked := entries_refused(account.entries_until, now)) is not None:
        return unchecked
    if account.equity is None or account.cash is None:
        return balance_unknown(account.reason)
    if (
        age := now - account.as_of
    ) > MAX_BALANCE_AGE_MS:  # recorded when they followed before; no executor serves them yet
        return Skip(f"balance is {age // 1000} s old", ReasonCode.BALANCE_TOO_OLD)
    return None


def _missing_of_master(signal: Signal, policy: UserPolicy, master: Account | None, now: int) -> Skip | None:
    if master is not None and now - master.as_of > MAX_BALANCE_AGE_MS:
        why = f"the master's equity has not been read for {(now - master.as_of) // 1000} s"
        return Skip(why, ReasonCode.MASTER_EQUITY_UNKNOWN)
    if signal.master_equity is None and policy.sizing.mode is SizingMode.EQUITY:
        return master_equity_unknown(signal.equity_reason)
    return None


def _price_above_bound(signal: Signal, policy: UserPolicy, context: JoinContext) -> str:
    """Describe by how much the present price is worse than the user accepts; an empty text if it is not."""
    if context.price is None:
        return ""
    present, average = context.price[0].amount, signal.price.amount
    if present <= signal.price.shifted(policy.on_join_bps).amount:
        return ""
    above = ((present / average - ONE) / BASIS_POINT).quantize(ONE / 10)
    return f"the price of {plain(present)} is {plain(above)} bps above that; on_join_bps is {plain(policy.on_join_bps)}"


def _bound(signal: Signal, policy: UserPolicy, context: JoinContext) -> tuple[Signal, UserPolicy]:
    """Return signal and policy with the lower of the two price bounds, in the fields that set an entry's limit."""
    bounds = [(signal.price, policy.on_join_bps)]
    if context.price is not None:
        bounds.append((Price(context.price[0].amount, signal.symbol), policy.guards.max_slippage_bps))
    price, bps = min(bounds, key=lambda each: each[0].shifted(each[1]).amount)
    return replace(signal, price=price), replace(policy, guards=replace(policy.guards, max_slippage_bps=bps))
