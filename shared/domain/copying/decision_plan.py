"""What a signal means for its users. Pure, and total: it answers for every input, or the caller turns the failure into a skip.

Entries pass guards here; exits pass none. An exit is always copied, whatever state the account is in: the executor knows what
is held, and an exit that waits in the stream is not lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

from shared.domain.account import Account, AccountState
from shared.domain.control import refusal
from shared.domain.copying.follower import Follower
from shared.domain.key_report import entries_refused
from shared.domain.limits.policy import SizingMode, UserPolicy
from shared.domain.limits.risk import AccountSnapshot, balance_unknown, check_hard_limits
from shared.domain.order import Copy, Decision, Kind, order_id
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.sizing import EntrySize, Sizing
from shared.domain.skip import Skip
from shared.domain.stages.stage import Stage
from shared.domain.values.currency import alike
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import ONE, Price, plain
from shared.domain.values.symbol import Symbol

_NO_ENTRIES: Final = frozenset({PairStatus.CANCEL_ONLY, PairStatus.POST_ONLY, PairStatus.REDUCE_ONLY})
_READY: Final = AccountState.READY
_SHOWN_PERCENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class ExitCopy:
    """An exit is copied: of what the user holds under this name."""

    symbol: Symbol
    reason: str


Judgement = EntrySize | ExitCopy | Skip
"""What becomes of a signal for one user: an entry of a size, an exit, or nothing."""


class DecisionPlan:
    """One signal for any number of users who have the same settings (`settings`, whose `user` is ignored).

    What depends only on the signal, the settings and the pair is computed once, when the first user needs it; what depends on
    the user is judged for each. The order of the checks matters: the first one that applies is the reason that users see.
    """

    def __init__(
        self,
        signal: Signal,
        settings: UserPolicy,
        instrument: Instrument | None,
        *,
        venue: str | None,
        price: Price | None = None,
    ) -> None:
        """`venue` is where these users copy the signal; None if nowhere. `instrument` is of the symbol as they trade it there;
        None if that venue does not list it. `price` is the present one there, which bounds an entry at another venue than the
        master's.
        """
        self._signal = signal
        self._settings = settings
        self._instrument = instrument
        self.venue = venue
        self._price = price
        self._symbol = settings.symbols.mapped(signal.symbol)
        self._is_exit = signal.kind is Kind.EXIT

    @property
    def signal(self) -> Signal:
        """Return the signal."""
        return self._signal

    @property
    def instrument(self) -> Instrument | None:
        """Return the pair as these users trade it."""
        return self._instrument

    @property
    def price(self) -> Price | None:
        """Return the present price at another venue than the master's."""
        return self._price

    def judge(self, follower: Follower, now: int) -> Judgement:
        """Judge the signal for one of the users at `now` (epoch ms)."""
        if self._is_exit:
            if self.venue is None:
                return self._not_followed
            return self._exit if not follower.held else ExitCopy(self._held_as(follower.held), self._exit.reason)
        judgement = self._unwanted or self._judge_entry(follower, now)
        if follower.stage is Stage.SHADOW and isinstance(judgement, EntrySize):
            return judgement._replace(reason=f"{judgement.reason}; stage shadow: checked at {self.venue}, not placed")
        return judgement

    def decision(self, follower: Follower, judgement: Judgement, now: int) -> Decision:
        """Return the decision that a judgement amounts to."""
        signal, user = self._signal, follower.policy.user
        copy, stage = self._copy(judgement), follower.stage
        reduced = isinstance(judgement, EntrySize) and stage.reduced
        only_checked = reduced and stage is Stage.SHADOW
        return Decision(
            id=self.order_id(user),
            signal_id=signal.id,
            user=user,
            venue=self.venue or signal.venue,
            symbol=judgement.symbol if isinstance(judgement, ExitCopy) else self._symbol,
            side=signal.side,
            kind=signal.kind,
            copy=None if only_checked else copy,
            shadow=copy if only_checked else None,
            stage=stage if reduced else "",
            reason=judgement.reason,
            master_equity=signal.master_equity,
            user_equity=follower.equity,
            signal_at=signal.filled_at,
            emitted_at=now,
            code=judgement.code if isinstance(judgement, Skip) else "",
            master_order_id=signal.master_order_id,
            multiplier=self._multiplier,
            master=signal.book,
        )

    @cached_property
    def _multiplier(self) -> Decimal | None:
        sizing = self._settings.sizing
        if sizing.mode is not SizingMode.EQUITY:
            return None
        followed = self._settings.followed_master(self._signal.book)
        return sizing.multiplier if followed is None else sizing.multiplier * followed.share_pct / 100

    def order_id(self, user: str) -> str:
        """Return the id of one user's order."""
        return order_id(self._signal.id, user, self.venue or self._signal.venue)

    @cached_property
    def _exit(self) -> ExitCopy:
        return ExitCopy(self._symbol, f"the master sold {_share(self._signal.fraction or ONE)} position")

    def _held_as(self, held: frozenset[Symbol]) -> Symbol:
        """Return the name under which a user holds what the master sells: `symbols.map` may have changed since the entry."""
        if self._symbol in held:
            return self._symbol
        others = sorted((name for name in held if name.base == self._signal.symbol.base), key=str)
        return others[0] if others else self._symbol

    @cached_property
    def _not_followed(self) -> Skip:
        if self._waits is not None:
            return self._waits
        why = f"follows on {', '.join(self._settings.venues)}, not on {self._signal.leader}"
        return Skip(why, ReasonCode.VENUE_NOT_FOLLOWED)

    @cached_property
    def _waits(self) -> Skip | None:
        """The skip of a master whose entries wait for a change of `[follow]` to take effect."""
        why = self._settings.waits(self._signal.leader)
        return Skip(f"[follow] was changed: {why}", ReasonCode.FOLLOW_CHANGED) if why else None

    @cached_property
    def _unwanted(self) -> Skip | None:
        settings, signal = self._settings, self._signal
        if settings.fault:
            return Skip(settings.fault, ReasonCode.SETTINGS_UNUSABLE)
        if not settings.enabled:
            why = f"the user is disabled; only exits are followed (on_leave = {settings.on_leave})"
            return Skip(why, ReasonCode.DISABLED)
        if self.venue is None:
            return self._not_followed
        if self._waits is not None:
            return self._waits
        if unwanted := settings.symbols.refusal(signal.symbol):
            return Skip(unwanted, ReasonCode.SYMBOL_FILTERED)
        return None

    def _judge_entry(self, follower: Follower, now: int) -> EntrySize | Skip:
        account = follower.account
        if self._signal.ahead_by(now):
            ahead = (self._signal.filled_at - now) / 1000
            why = f"stale: the fill is dated {ahead:.1f} s in the future; a clock is wrong"
            return Skip(why, ReasonCode.FUTURE_FILL)
        if (forbidden := refusal(self._signal.kind, *follower.switches)) is not None:
            return forbidden
        if account is None or account.state is not _READY:
            return not_ready(account, self.venue or self._signal.venue)
        if (held_back := self._held_back(follower)) is not None:
            return held_back
        if isinstance(sizing := self._sizing, Skip):
            return sizing
        if account.equity is None or account.cash is None:
            return balance_unknown(account.reason)
        snapshot = AccountSnapshot(account, follower.portfolio, follower.risk)
        unchecked = entries_refused(account.entries_until, now)
        if (denied := unchecked or check_hard_limits(self._settings, snapshot, self._symbol, now)) is not None:
            return denied
        return sizing.size(snapshot, follower.master_cash, follower.stage.share)

    def _held_back(self, follower: Follower) -> Skip | None:
        """Return why the user's own records forbid an entry now; None if they do not."""
        if follower.unreadable:
            return Skip(follower.unreadable, ReasonCode.RECORD_UNREADABLE)
        if follower.moved_from:
            why = f"{self._symbol.base} is still held on {follower.moved_from}, where it was copied before: it is sold first"
            return Skip(why, ReasonCode.ALREADY_HELD)
        return None

    @cached_property
    def _sizing(self) -> Sizing | Skip:
        """The sizing of entries, or the skip if the venue takes none on this pair."""
        symbol, venue, instrument = self._symbol, self.venue or self._signal.venue, self._instrument
        if instrument is None:
            return Skip(f"{symbol} is not traded on {venue}", ReasonCode.NOT_TRADED)
        if instrument.status in _NO_ENTRIES and not self._traded_since(instrument.as_of):
            return Skip(f"{venue} has {symbol} in {instrument.status} mode", ReasonCode.PAIR_RESTRICTED)
        if venue == self._signal.venue:
            return Sizing(self._signal, self._settings, instrument)
        if self._price is None:  # two venues: the master's fill alone says too little of the price here
            return Skip(f"no recent price of {symbol} on {venue} is known", ReasonCode.PRICE_UNKNOWN)
        return Sizing(self._signal, self._settings, instrument, own_price=self._price)

    def _traded_since(self, as_of: int | None) -> bool:
        """Return whether the master bought this very pair after the venue's list was read: then the pair takes orders again.

        The list is minutes old. If the guess is wrong, the venue rejects the order in its own words.
        """
        same = self._signal.symbol == self._symbol and self._signal.venue == self.venue
        return as_of is not None and self._signal.filled_at > as_of and same

    def _copy(self, judgement: Judgement) -> Copy | None:
        signal = self._signal
        if isinstance(judgement, Skip):
            return None
        if isinstance(judgement, ExitCopy):
            least = self._exit_bound(judgement.symbol)
            return Copy(base_size=None, fraction=signal.fraction, limit_price=least, not_after=None)
        last_moment = signal.filled_at + self._settings.guards.max_signal_age_ms
        return Copy(base_size=judgement.size, fraction=None, limit_price=judgement.limit_price, not_after=last_moment)

    def _exit_bound(self, symbol: Symbol) -> Price | None:
        """Return the master's price less the slippage of exits, where that is another venue's: it bounds the first try alone.

        At the master's own venue the present price is bound enough.
        """
        signal = self._signal
        if self.venue in {None, signal.venue} or not alike(symbol.quote, signal.symbol.quote):
            return None
        least = Price(signal.price.amount, symbol).shifted(-self._settings.guards.exit_slippage_bps)
        return least if least.amount > 0 else None


def decide(
    signal: Signal, follower: Follower, instrument: Instrument | None, now: int, price: Price | None = None
) -> Decision:
    """Decide for one user; `instrument` and `price` are of the symbol as this user trades it, `now` in epoch ms."""
    plan = DecisionPlan(signal, follower.policy, instrument, venue=_venue(signal, follower), price=price)
    return plan.decision(follower, plan.judge(follower, now), now)


def decide_skip(signal: Signal, follower: Follower, skip: Skip, now: int) -> Decision:
    """Return the decision not to copy a signal for one user."""
    return DecisionPlan(signal, follower.policy, None, venue=_venue(signal, follower)).decision(follower, skip, now)


def _venue(signal: Signal, follower: Follower) -> str | None:
    policy, leader = follower.policy, signal.leader
    if follower.venue is None and signal.kind is Kind.EXIT and policy.waits(leader):
        return None  # the account that `follow` names still holds another master's copies
    return follower.venue or policy.venue_for(leader)


def not_ready(account: Account | None, venue: str) -> Skip:
    """Return the skip for an account that is not ready: parked, or not connected yet (None: nothing was ever recorded)."""
    if account is not None and account.state is AccountState.PARKED:
        return Skip(f"account is parked: {account.reason}", ReasonCode.PARKED)
    return Skip(f"account at {venue} is not connected yet", ReasonCode.NOT_CONNECTED)


def _share(fraction: Decimal) -> str:
    """Describe a fraction (0..1] of a position: `its whole`, `37 % of its`."""
    if fraction >= ONE:
        return "its whole"
    percent = (fraction * 100).quantize(_SHOWN_PERCENT)
    return f"{plain(percent)} % of its" if percent else f"less than {plain(_SHOWN_PERCENT)} % of its"


def decision_failed(error: Exception) -> Skip:
    """Return the skip that any error in a decision becomes: no user may receive the master's size because something failed."""
    return Skip(f"the decision failed: {type(error).__name__}: {error}", ReasonCode.DECISION_FAILED)
