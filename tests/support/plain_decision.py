"""The engine's decision said straight out, for one user and from the beginning: what planned decisions are compared with.

It is how the engine decided before it planned. Rules that others use as well (`check_hard_limits`, `find_caps`, `refusal`,
minimums) are the domain's own here too; what is said twice is their order, the arithmetic and the words.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

from shared.domain.account import Account, AccountState
from shared.domain.control import refusal
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import BelowMinimum, SizingMode, UserPolicy
from shared.domain.limits.risk import AccountSnapshot, check_hard_limits, find_caps, format_money, tightest_cap
from shared.domain.order import Copy, Decision, Kind
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.sizing import EntrySize, entry_limit
from shared.domain.skip import Skip
from shared.domain.values.currency import alike, counted_in
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import ONE, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol

_NO_ENTRIES: Final = {PairStatus.CANCEL_ONLY, PairStatus.POST_ONLY, PairStatus.REDUCE_ONLY}
_SHOWN: Final = Decimal("0.00000001")


def decide_plainly(signal: Signal, follower: Follower, instrument: Instrument | None, now: int) -> Decision:
    """Decide for one user; what fails is a skip that says so."""
    mapped = follower.policy.symbols.mapped(signal.symbol)
    if signal.kind is Kind.EXIT and signal.venue not in follower.policy.venues:
        skipped = _decision(signal, follower, mapped, None, _elsewhere(signal, follower.policy), now)
        return replace(skipped, code=ReasonCode.VENUE_NOT_FOLLOWED)
    if signal.kind is Kind.EXIT:
        close = Copy(base_size=None, fraction=signal.fraction, limit_price=None, not_after=None)
        reason = f"the master sold {_share(signal.fraction or ONE)} position"
        return _decision(signal, follower, _held_as(mapped, follower), close, reason, now)
    try:
        sized = _size(signal, follower, instrument, now)
    except ArithmeticError as error:
        sized = Skip(f"the decision failed: {type(error).__name__}: {error}", ReasonCode.DECISION_FAILED)
    if isinstance(sized, Skip):
        return replace(_decision(signal, follower, mapped, None, sized.reason, now), code=sized.code)
    last = signal.filled_at + follower.policy.guards.max_signal_age_ms
    return _decision(signal, follower, mapped, Copy(sized.size, None, sized.limit_price, last), sized.reason, now)


def _size(signal: Signal, follower: Follower, instrument: Instrument | None, now: int) -> EntrySize | Skip:
    policy = follower.policy
    account = _usable_account(signal, follower, now)
    if isinstance(account, Skip):
        return account
    if follower.unreadable:
        return Skip(follower.unreadable, ReasonCode.RECORD_UNREADABLE)
    symbol = policy.symbols.mapped(signal.symbol)
    if instrument is None:
        return Skip(f"{symbol} is not traded on {signal.venue}", ReasonCode.NOT_TRADED)
    if instrument.status in _NO_ENTRIES:
        return Skip(f"{signal.venue} has {symbol} in {instrument.status} mode", ReasonCode.PAIR_RESTRICTED)
    if account.equity is None or account.cash is None:
        why = f"balance unknown: {account.reason or 'it has not been read yet'}"
        return Skip(why, ReasonCode.BALANCE_UNKNOWN)
    snapshot = AccountSnapshot(account, follower.portfolio, follower.risk)
    if (denied := check_hard_limits(policy, snapshot, symbol, now)) is not None:
        return denied
    return _scaled(signal, snapshot, policy, instrument, follower.master_cash)


def _usable_account(signal: Signal, follower: Follower, now: int) -> Account | Skip:
    policy, account = follower.policy, follower.account
    if not policy.enabled:
        why = f"the user is disabled; only exits are followed (on_leave = {policy.on_leave})"
        return Skip(why, ReasonCode.DISABLED)
    if signal.venue not in policy.venues:
        return Skip(_elsewhere(signal, policy), ReasonCode.VENUE_NOT_FOLLOWED)
    if unwanted := policy.symbols.refusal(signal.symbol):
        return Skip(unwanted, ReasonCode.SYMBOL_FILTERED)
    if signal.filled_at > now + 5_000:
        why = f"stale: the fill is dated {(signal.filled_at - now) / 1000:.1f} s in the future; a clock is wrong"
        return Skip(why, ReasonCode.FUTURE_FILL)
    if (forbidden := refusal(signal.kind, *follower.switches)) is not None:
        return forbidden
    if account is None or account.state is AccountState.CONNECTING:
        return Skip(f"account at {signal.venue} is not connected yet", ReasonCode.NOT_CONNECTED)
    if account.state is AccountState.PARKED:
        return Skip(f"account is parked: {account.reason}", ReasonCode.PARKED)
    return account


def _elsewhere(signal: Signal, policy: UserPolicy) -> str:
    return f"follows on {', '.join(policy.venues)}, not on {signal.venue}"


def _scaled(
    signal: Signal, snapshot: AccountSnapshot, policy: UserPolicy, instrument: Instrument, master_cash: Money | None
) -> EntrySize | Skip:
    symbol = policy.symbols.mapped(signal.symbol)
    if not alike(symbol.quote, signal.symbol.quote):
        why = f"{symbol} is priced in {symbol.quote}, the master's fill in {signal.symbol.quote}: no rate is known"
        return Skip(why, ReasonCode.NO_RATE)
    bounds = find_caps(policy, snapshot, symbol)
    if isinstance(bounds, Skip):
        return bounds
    fill = Price(signal.price.amount, symbol)
    limit_price = entry_limit(fill, signal.side, policy.guards.max_slippage_bps, instrument.tick)
    wanted = _wanted(signal, snapshot.account, policy, limit_price, master_cash)
    if isinstance(wanted, Skip):
        return wanted
    size, arithmetic = wanted
    most, cap = tightest_cap(bounds, limit_price)
    steps = [arithmetic]
    if most < size:
        size = most
        steps.append(f"cut to {_amount(size)} by {cap.why()}")
    whole, size = wanted[0].floored(instrument.lot_step), size.floored(instrument.lot_step)
    steps.append(f"floored to {plain(size.amount)}; min {plain(instrument.min_size)}")
    missed = instrument.below_minimum(size, limit_price)
    if missed and policy.sizing.below_minimum is BelowMinimum.ROUND_UP:
        least = instrument.least(limit_price)
        if least <= most:
            steps.append(f"rounded up to {plain(least.amount)} by sizing.below_minimum")
            return EntrySize(least, limit_price, ", ".join(steps))
        steps.append(f"not rounded up to {plain(least.amount)}, which is above {cap.why()}")
    if missed:
        code = ReasonCode.BELOW_MINIMUM if instrument.below_minimum(whole, limit_price) else cap.code
        return Skip(f"below venue minimum: {missed} ({', '.join(steps)})", code)
    return EntrySize(size, limit_price, ", ".join(steps))


def _wanted(
    signal: Signal, account: Account, policy: UserPolicy, limit_price: Price, master_cash: Money | None
) -> tuple[Quantity, str] | Skip:
    sizing = policy.sizing
    times = _factor(sizing.multiplier)
    masters, mine, what = signal.master_equity, account.equity, "equity"
    if sizing.mode is SizingMode.FIXED_QUOTE:
        if sizing.quote_amount is None:
            why = "sizing.mode is fixed_quote, but sizing.quote_amount is not set"
            return Skip(why, ReasonCode.SETTINGS_UNUSABLE)
        amount = Money(sizing.quote_amount, limit_price.symbol.quote)
        size = amount.scaled(sizing.multiplier) / limit_price
        return size, f"{format_money(amount)} x {times} / {plain(limit_price.amount)} = {_amount(size)}"
    if sizing.mode is SizingMode.MULTIPLIER:
        size = signal.base_size.scaled(sizing.multiplier)
        return size, f"{plain(signal.base_size.amount)} x {times} = {_amount(size)}"
    if sizing.mode is SizingMode.CASH:
        mine, masters, what = account.cash, master_cash, "cash"
    elif masters is None:
        why = f": {signal.equity_reason}" if signal.equity_reason else ""
        return Skip(f"the master's equity is not fully known{why}", ReasonCode.MASTER_EQUITY_UNKNOWN)
    if masters is None:
        return Skip(f"the master's {what} is not known: no ratio can be taken", ReasonCode.MASTER_CASH_UNKNOWN)
    if masters.amount <= 0:
        return Skip(f"the master's {what} is {masters}: no ratio can be taken", ReasonCode.NO_RATIO)
    counted = None if mine is None else counted_in(mine, masters.currency)
    if counted is None:
        return Skip(f"{what} in different currencies: {mine} and {masters}", ReasonCode.NO_RATE)
    size = signal.base_size.scaled(counted.ratio_to(masters) * sizing.multiplier)
    ratio = f"{format_money(counted)}/{format_money(masters)}"
    return size, f"{plain(signal.base_size.amount)} x {ratio} x {times} = {_amount(size)}"


def _share(fraction: Decimal) -> str:
    if fraction == ONE:
        return "its whole"
    percent = round(fraction * 100, 2)
    return f"{plain(percent)} % of its" if percent else "less than 0.01 % of its"


def _held_as(mapped: Symbol, follower: Follower) -> Symbol:
    if mapped in follower.held:
        return mapped
    others = sorted((name for name in follower.held if name.base == mapped.base), key=str)
    return others[0] if others else mapped


def _factor(multiplier: Decimal) -> str:
    text = plain(multiplier)
    return text if "." in text else f"{text}.0"


def _amount(value: Quantity) -> str:
    return plain(value.amount.quantize(_SHOWN))


def _decision(signal: Signal, follower: Follower, symbol: Symbol, copy: Copy | None, reason: str, now: int) -> Decision:
    user, sizing = follower.policy.user, follower.policy.sizing
    return Decision(
        id=str(uuid5(UUID(signal.id), f"{user}:{signal.venue}")),
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
        master_order_id=signal.master_order_id,
        multiplier=sizing.multiplier if sizing.mode is SizingMode.EQUITY else None,
    )
