"""How much of a master's entry a user copies.

The one rule that must never break: whatever goes wrong in here, the user is skipped with the reason; no user ever receives the
master's own size unless their settings ask for that. Sizes are rounded down; only with `round_up` is a size rounded up, to the
venue's minimum, and never above a limit or the user's cash.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple

from shared.domain.account import Account
from shared.domain.limits.policy import BelowMinimum, SizingMode, UserPolicy
from shared.domain.limits.risk import AccountSnapshot, Cap, find_caps, format_money, tightest_cap
from shared.domain.order import Side
from shared.domain.portfolio import Portfolio
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.skip import Skip
from shared.domain.values.currency import alike, counted_in
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, Money, Price, Quantity, plain

__all__ = ["EntrySize", "Sizing", "Skip", "entry_limit", "size_entry"]

_SHOWN: Final = Decimal("0.00000001")
_PER_CENT: Final = Decimal("0.01")


class EntrySize(NamedTuple):
    """The size of an entry that may be sent, and the arithmetic behind it."""

    size: Quantity
    limit_price: Price
    reason: str


def size_entry(
    signal: Signal,
    account: Account,
    policy: UserPolicy,
    instrument: Instrument,
    *,
    portfolio: Portfolio | None = None,
    master_cash: Money | None = None,
) -> EntrySize | Skip:
    """Scale an entry of the master to one user, within limits, funds and the venue's minimums: see Sizing."""
    return Sizing(signal, policy, instrument).size(AccountSnapshot(account, portfolio or Portfolio()), master_cash)


def entry_limit(fill: Price, side: Side, slippage_bps: Decimal, tick: Decimal) -> Price:
    """Return the worst price that an entry accepts: the master's fill shifted by the slippage, rounded to the safe side."""
    if side is Side.BUY:
        return fill.shifted(slippage_bps).floored(tick)
    return fill.shifted(-slippage_bps).ceiled(tick)


def master_equity_unknown(reason: str) -> Skip:
    """Return the skip for a master whose equity is not fully known; `reason` is what is missing in it, if that is known."""
    why = "the master's equity is not fully known" + (f": {reason}" if reason else "")
    return Skip(why, ReasonCode.MASTER_EQUITY_UNKNOWN)


_Wanted = tuple[Quantity, str]
"""A size before caps and rounding, and its arithmetic."""


class Sizing:
    """Scales one entry of the master to any number of users who have the same settings (`policy`, whose `user` is ignored).

    What depends only on the signal, the settings and the pair is computed once, and only when the first user needs it: a failure
    in it then fails only the users who need it, not those who were skipped before for another reason.
    """

    def __init__(
        self, signal: Signal, policy: UserPolicy, instrument: Instrument, *, own_price: Price | None = None
    ) -> None:
        """`own_price`: the present price where these users trade, if that is another venue than the master's."""
        self._own_price = own_price
        self._signal = signal
        self._policy = policy
        self._instrument = instrument
        self._symbol = policy.symbols.mapped(signal.symbol)
        followed = policy.followed_master(signal.book)
        self._share = None if followed is None else followed.share_pct * _PER_CENT
        """The share of the user's equity and cash with which a named master is followed; None for another one."""
        self._of_share = "" if followed is None else f" ({plain(followed.share_pct)} %)"
        self._rounds_up = policy.sizing.below_minimum is BelowMinimum.ROUND_UP
        self._wanted = {
            SizingMode.EQUITY: self._by_equity,
            SizingMode.CASH: self._by_cash,
            SizingMode.FIXED_QUOTE: self._by_quote_amount,
            SizingMode.MULTIPLIER: self._by_multiplier,
        }[policy.sizing.mode]
        self._masters: tuple[Money | None, str] = (None, "")
        """The master's amount in the latest ratio, and its text."""

    def size(
        self, snapshot: AccountSnapshot, master_cash: Money | None = None, scale: Decimal = ONE
    ) -> EntrySize | Skip:
        """Size one user's entry. Limits on what is held need the portfolio; the mode `cash` needs the master's cash before it.

        `scale` is the share of the user's stage. It scales the size here and nowhere else, and the limits with it.
        """
        if self._no_rate is not None:
            return self._no_rate
        bounds = find_caps(self._policy, snapshot, self._symbol, scale, master=self._signal.book)
        if isinstance(bounds, Skip):
            return bounds
        limit_price = self.limit_price  # before the size: an impossible price fails in every mode
        wanted = self._wanted(snapshot.account, master_cash)
        if isinstance(wanted, Skip):
            return wanted
        if scale != ONE:
            size = wanted[0].scaled(scale)
            wanted = size, f"{wanted[1]}, x stage {plain(scale)} = {_amount(size)}"
        return self._within(wanted, bounds, limit_price)

    @cached_property
    def limit_price(self) -> Price:
        """The master's fill plus the slippage, rounded to the tick inside that bound, in the user's quote currency.

        At another venue than the master's the same bound holds for its own present price: the stricter one counts.
        """
        slippage, tick = self._policy.guards.max_slippage_bps, self._instrument.tick
        fill = Price(self._signal.price.amount, self._symbol)
        bound = entry_limit(fill, self._signal.side, slippage, tick)
        if self._own_price is None:
            return bound
        return min(bound, entry_limit(self._own_price, self._signal.side, slippage, tick), key=lambda each: each.amount)

    @cached_property
    def _no_rate(self) -> Skip | None:
        theirs, symbol = self._signal.symbol.quote, self._symbol
        if alike(symbol.quote, theirs):
            return None
        why = f"{symbol} is priced in {symbol.quote}, the master's fill in {theirs}: no rate is known"
        return Skip(why, ReasonCode.NO_RATE)

    def _by_equity(self, account: Account, _: Money | None) -> _Wanted | Skip:
        masters = self._signal.master_equity
        if masters is None:
            return master_equity_unknown(self._signal.equity_reason)
        return self._by_ratio(account.equity, masters, "equity")

    def _by_cash(self, account: Account, master_cash: Money | None) -> _Wanted | Skip:
        if master_cash is None:
            return Skip("the master's cash is not known: no ratio can be taken", ReasonCode.MASTER_CASH_UNKNOWN)
        return self._by_ratio(account.cash, master_cash, "cash")

    def _by_ratio(self, mine: Money | None, masters: Money, what: str) -> _Wanted | Skip:
        if masters.amount <= 0:
            return Skip(f"the master's {what} is {masters}: no ratio can be taken", ReasonCode.NO_RATIO)
        counted = None if mine is None else counted_in(mine, masters.currency)
        if counted is None:
            return Skip(f"{what} in different currencies: {mine} and {masters}", ReasonCode.NO_RATE)
        if self._share is not None:
            counted = counted.scaled(self._share)
        size = self._signal.base_size.scaled(counted.ratio_to(masters) * self._policy.sizing.multiplier)
        if masters is not self._masters[0]:  # usually one amount for all users of a signal
            self._masters = (masters, format_money(masters))
        ratio = f"{format_money(counted)}{self._of_share}/{self._masters[1]}"
        return size, f"{self._masters_size} x {ratio} x {self._times} = {_amount(size)}"

    def _by_quote_amount(self, _: Account, __: Money | None) -> _Wanted | Skip:
        return self._fixed

    @cached_property
    def _fixed(self) -> _Wanted | Skip:
        sizing, limit_price = self._policy.sizing, self.limit_price
        if sizing.quote_amount is None:
            why = "sizing.mode is fixed_quote, but sizing.quote_amount is not set"
            return Skip(why, ReasonCode.SETTINGS_UNUSABLE)
        amount = Money(sizing.quote_amount, limit_price.symbol.quote)
        size = amount.scaled(sizing.multiplier) / limit_price
        return size, f"{format_money(amount)} x {self._times} / {plain(limit_price.amount)} = {_amount(size)}"

    def _by_multiplier(self, _: Account, __: Money | None) -> _Wanted | Skip:
        return self._multiplied

    @cached_property
    def _multiplied(self) -> _Wanted:
        size = self._signal.base_size.scaled(self._policy.sizing.multiplier)
        return size, f"{self._masters_size} x {self._times} = {_amount(size)}"

    @cached_property
    def _masters_size(self) -> str:
        return plain(self._signal.base_size.amount)

    @cached_property
    def _times(self) -> str:
        text = plain(self._policy.sizing.multiplier)
        return text if "." in text else f"{text}.0"

    @cached_property
    def _least(self) -> str:
        return plain(self._instrument.min_size)

    def _within(self, wanted: _Wanted, bounds: Sequence[Cap], limit_price: Price) -> EntrySize | Skip:
        instrument = self._instrument
        allowed, arithmetic = wanted
        most, cap = tightest_cap(bounds, limit_price)
        if most < allowed:
            allowed = most
            arithmetic += f", cut to {_amount(allowed)} by {cap.why()}"
        size = allowed.floored(instrument.lot_step)
        arithmetic += f", floored to {plain(size.amount)}; min {self._least}"
        missed = instrument.below_minimum(size, limit_price)
        if not missed:
            return EntrySize(size, limit_price, arithmetic)
        if self._rounds_up:
            least = instrument.least(limit_price)
            if least <= most:
                return EntrySize(
                    least, limit_price, f"{arithmetic}, rounded up to {plain(least.amount)} by sizing.below_minimum"
                )
            arithmetic += f", not rounded up to {plain(least.amount)}, which is above {cap.why()}"
        # A share that was too small before any cap is not the cap's fault.
        too_small = instrument.below_minimum(wanted[0].floored(instrument.lot_step), limit_price)
        code = ReasonCode.BELOW_MINIMUM if too_small else cap.code
        return Skip(f"below venue minimum: {missed} ({arithmetic})", code)


def _amount(value: Quantity) -> str:
    return plain(value.amount.quantize(_SHOWN))
