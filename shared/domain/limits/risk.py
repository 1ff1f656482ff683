"""What a user's limits allow. Pure: the engine asks when it decides, the executor asks again right before it sends.

A hard limit forbids an entry of any size; a cap leaves room for a smaller one. Every denial carries its numbers. Exits have no
limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from shared.domain.account import Account
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk_state import RiskState, utc_minute
from shared.domain.portfolio import Portfolio
from shared.domain.position import MAIN
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.currency import counted_in
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol

MAX_BALANCE_AGE_MS: Final = 120_000
"""A balance that was read longer ago than this allows no entries: the user may have withdrawn or lost money since."""
_EMPTY: Final = Portfolio()
_MAX_ORDER: Final = ReasonCode.MAX_ORDER
_MAX_EXPOSURE: Final = ReasonCode.MAX_EXPOSURE
_MAX_SYMBOL: Final = ReasonCode.MAX_SYMBOL
_MASTER_SHARE: Final = ReasonCode.MASTER_SHARE
_INSUFFICIENT_FUNDS: Final = ReasonCode.INSUFFICIENT_FUNDS
"""Bound once, because Python 3.11 looks up enum members slowly and every entry of every user gets its caps."""
_PER_CENT: Final = Decimal("0.01")


class AccountSnapshot(NamedTuple):
    """An account with its copied positions and risk state, as last read; `portfolio` and `risk` only where limits need them."""

    account: Account
    portfolio: Portfolio = _EMPTY
    risk: RiskState | None = None


class Cap(NamedTuple):
    """The most that an entry may cost, in the order's quote currency. `why` words the limit, only for an entry that it cuts."""

    most: Money
    why: Callable[[], str]
    code: ReasonCode


class AllowedSize(NamedTuple):
    """The size of an entry that the limits allow; `note` names the limit that cut it, and is empty if none did."""

    size: Quantity
    note: str


def check_hard_limits(policy: UserPolicy, snapshot: AccountSnapshot, symbol: Symbol, now: int) -> Skip | None:
    """Return why an entry of any size is forbidden at `now` (epoch ms); None if it is not."""
    account, limits, risk = snapshot.account, policy.limits, snapshot.risk
    age = now - account.as_of
    if age > MAX_BALANCE_AGE_MS:
        when = f"{age / 1000:.0f} s old" if account.as_of else "of an unknown age"
        why = f"balance is {when}; entries need one of the last {MAX_BALANCE_AGE_MS // 1000} s"
        return Skip(why, ReasonCode.BALANCE_TOO_OLD)
    if risk is not None:
        if limits.stop_out and risk.stopped(now):
            why = f"stopped out until {utc_minute(risk.stopped_until)}: {risk.stopped_reason}"
            return Skip(why, ReasonCode.STOPPED_OUT)
        traded = risk.trades_on(now)
        if limits.max_trades_per_day is not None and traded >= limits.max_trades_per_day:
            why = f"{traded} trades today (UTC); limits.max_trades_per_day is {limits.max_trades_per_day}"
            return Skip(why, ReasonCode.MAX_TRADES)
    if limits.max_positions is not None:
        held = snapshot.portfolio.assets()
        if symbol.base not in held and len(held) >= limits.max_positions:
            why = f"{len(held)} positions held; limits.max_positions is {limits.max_positions}"
            return Skip(why, ReasonCode.MAX_POSITIONS)
    return None


def find_caps(
    policy: UserPolicy, snapshot: AccountSnapshot, symbol: Symbol, scale: Decimal = ONE, *, master: str = MAIN
) -> Sequence[Cap] | Skip:
    """Return the caps on the cost of an entry for a master; the room that one leaves may be zero or negative.

    A named master's book has at most its share of the equity; the other limits are over the whole account.

    `scale` is the share of the user's stage: it scales the limits as it scales sizes, so that a stage trades a small picture of
    the whole. What the account can pay is not scaled.
    """
    account, limits, quote, cash = snapshot.account, policy.limits, symbol.quote, snapshot.account.cash
    if account.equity is None or cash is None:
        return balance_unknown(account.reason)
    if cash.currency != quote:
        why = f"{symbol} is paid in {quote}, but the account's cash is counted in {cash.currency}"
        return Skip(why, ReasonCode.CURRENCY_MISMATCH)
    equity = counted_in(account.equity, quote)
    if equity is None:
        why = f"the account's equity is counted in {account.equity.currency}, {symbol} in {quote}: no rate is known"
        return Skip(why, ReasonCode.NO_RATE)
    found = []
    if (pct := limits.max_order_pct) is not None:
        found.append(_share("limits.max_order_pct", _MAX_ORDER, pct, equity, scale))
    if (quote_limit := limits.max_order_quote) is not None:
        most = Money(quote_limit * scale, quote)
        whole = Money(quote_limit, quote)
        found.append(Cap(most, lambda: f"limits.max_order_quote {format_money(whole)}{_scaled(scale)}", _MAX_ORDER))
    if (pct := limits.max_exposure_pct) is not None:
        held = snapshot.portfolio.exposure(quote)
        found.append(_share("limits.max_exposure_pct", _MAX_EXPOSURE, pct, equity, scale, held))
    if (pct := limits.max_symbol_pct) is not None:
        held = snapshot.portfolio.exposure(quote, symbol.base)
        found.append(_share("limits.max_symbol_pct", _MAX_SYMBOL, pct, equity, scale, held))
    if (followed := policy.followed_master(master)) is not None:
        held = snapshot.portfolio.exposure_for(master, quote)
        found.append(_share(f"follow.{master}.share_pct", _MASTER_SHARE, followed.share_pct, equity, scale, held))
    # The venue holds the fee beside the price, so only this much of the cash can be spent.
    spendable = cash.scaled(ONE / (ONE + account.taker_fee))
    found.append(Cap(spendable, lambda: f"available funds {format_money(cash)} less fee", _INSUFFICIENT_FUNDS))
    return found


def admit(
    size: Quantity,
    limit_price: Price,
    policy: UserPolicy,
    snapshot: AccountSnapshot,
    instrument: Instrument,
    now: int,
    scale: Decimal = ONE,
    *,
    master: str = MAIN,
) -> AllowedSize | Skip:
    """Check a planned entry for a master again as of `now` (epoch ms): allow it, cut it to the room that is left, or skip it.

    `scale` is that of `find_caps`: the size has been scaled already, and is not scaled here.
    """
    symbol = limit_price.symbol
    if (denied := check_hard_limits(policy, snapshot, symbol, now)) is not None:
        return denied
    found = find_caps(policy, snapshot, symbol, scale, master=master)
    if isinstance(found, Skip):
        return found
    most, cap = tightest_cap(found, limit_price)
    if size <= most:
        return AllowedSize(size, "")
    cut = most.floored(instrument.lot_step)
    note = f"cut from {plain(size.amount)} to {plain(cut.amount)} by {cap.why()}"
    if missed := instrument.below_minimum(cut, limit_price):
        return Skip(f"below venue minimum: {missed} ({note})", cap.code)
    return AllowedSize(cut, note)


def balance_unknown(reason: str) -> Skip:
    """Return the skip for an account whose equity or cash is not known; `reason` says why, if that was recorded."""
    return Skip(f"balance unknown: {reason or 'it has not been read yet'}", ReasonCode.BALANCE_UNKNOWN)


def tightest_cap(found: Sequence[Cap], limit_price: Price) -> tuple[Quantity, Cap]:
    """Return the size that the smallest cap allows at `limit_price` (never negative), and that cap."""
    cap = found[0] if len(found) == 1 else min(found, key=lambda each: each.most.amount)
    room = cap.most if cap.most.amount > 0 else Money(ZERO, cap.most.currency)
    return room / limit_price, cap


def format_money(amount: Money) -> str:
    """Format an amount for people, without its unit: `1,000`, `1,000.50`."""
    return f"{amount.amount:,.2f}".removesuffix(".00")


def _share(name: str, code: ReasonCode, pct: Decimal, equity: Money, scale: Decimal, held: Money | None = None) -> Cap:
    share = equity.scaled(pct * _PER_CENT * scale)

    def words(then: str = "") -> str:
        return f"{name} {plain(pct)}{_scaled(scale)} ({format_money(share)}{then})"

    if held is None:
        return Cap(share, words, code)
    return Cap(share - held, lambda: words(f", of which {format_money(held)} held"), code)


def _scaled(scale: Decimal) -> str:
    return "" if scale == ONE else f" x stage {plain(scale)}"
