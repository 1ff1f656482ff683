"""A user's own settings, as values. `config/users/loader.py` reads them from the user's file and rejects what makes no sense.

Percentages are in per cent (5 is 5 %), durations in milliseconds; None is "not set", and a limit that is not set limits nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.domain.stages.stage import StagePolicy
from shared.domain.values.master_name import is_master_name
from shared.domain.values.money import ONE
from shared.domain.values.symbol import Symbol

RESERVED_NAMES: Final = frozenset({"master", "copy-engine", "notifier"})
"""Names of Redis hash tags that belong to Shoal itself."""


class SizingMode(StrEnum):
    """What a master's entry is scaled by."""

    EQUITY = "equity"  # user's equity / master's equity
    CASH = "cash"  # user's free cash / master's free cash
    FIXED_QUOTE = "fixed_quote"  # always the same amount of money
    MULTIPLIER = "multiplier"  # the master's own size


class BelowMinimum(StrEnum):
    """What happens to an entry that the venue would reject as too small."""

    SKIP = "skip"
    ROUND_UP = "round_up"  # to the minimum, if every limit has room for it


class StopOutAction(StrEnum):
    """What a stop-out does; both stop entries."""

    BLOCK_ENTRIES = "block_entries"
    CLOSE_ALL = "close_all"


class OnJoin(StrEnum):
    """Whether a new user joins what the master holds already."""

    NEW_ONLY = "new_only"
    COPY_OPEN = "copy_open"


class OnLeave(StrEnum):
    """What happens to copied positions when a user is disabled."""

    KEEP = "keep"
    EXITS_ONLY = "exits_only"  # the master's exits are still followed
    CLOSE_NOW = "close_now"


class OrdersMode(StrEnum):
    """How the master's limit orders are copied."""

    FILLS = "fills"  # each fill, at once
    MIRROR = "mirror"  # the order itself: placed, amended and cancelled with the master's


class FileState(StrEnum):
    """What became of the user's file, from which the settings come."""

    GOOD = "good"
    BAD = "bad"  # it cannot be used
    SHARED = "shared"  # nor can the user's key: two users would have one variable
    GONE = "gone"  # there is none, but something is held from copying


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingPolicy:
    """How a master's size becomes the user's; `quote_amount` belongs to `fixed_quote` alone."""

    multiplier: Decimal = ONE
    below_minimum: BelowMinimum = BelowMinimum.SKIP
    mode: SizingMode = SizingMode.EQUITY
    quote_amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPolicy:
    """Caps on an entry, on what is held, and on what may be lost."""

    max_order_pct: Decimal | None = None
    max_order_quote: Decimal | None = None
    max_positions: int | None = None
    max_exposure_pct: Decimal | None = None
    max_symbol_pct: Decimal | None = None
    daily_loss_pct: Decimal | None = None
    max_drawdown_pct: Decimal | None = None
    on_stop_out: StopOutAction = StopOutAction.BLOCK_ENTRIES
    stop_out_lasts_ms: int | None = None
    """None: a daily loss stops until the next UTC day, a drawdown for 24 h."""
    max_trades_per_day: int | None = None

    @property
    def need_positions(self) -> bool:
        """Whether an entry must be compared with what is held."""
        return self.max_positions is not None or self.need_prices

    @property
    def need_prices(self) -> bool:
        """Whether what is held must be valued at market."""
        return self.max_exposure_pct is not None or self.max_symbol_pct is not None

    @property
    def stop_out(self) -> bool:
        """Whether a loss can stop this user."""
        return self.daily_loss_pct is not None or self.max_drawdown_pct is not None

    @property
    def need_risk(self) -> bool:
        """Whether an entry must be compared with the user's risk state."""
        return self.stop_out or self.max_trades_per_day is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """What makes an entry too old or too dear, and how far below the price the first try of an exit may sell."""

    max_signal_age_ms: int = 30_000
    max_slippage_bps: Decimal = Decimal(50)
    exit_slippage_bps: Decimal = Decimal(200)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolPolicy:
    """Which of the master's symbols are copied, and under which name; exits of what is held pass every filter."""

    include: frozenset[Symbol] = frozenset()
    """Empty: all."""
    exclude: frozenset[Symbol] = frozenset()
    map: Mapping[Symbol, Symbol] = field(default_factory=dict, hash=False)
    """Same base, other quote; all targets share one quote currency. Left out of the hash, since a mapping has none."""

    def mapped(self, symbol: Symbol) -> Symbol:
        """Return the symbol that this user trades for one of the master's."""
        return self.map.get(symbol, symbol) if self.map else symbol

    def refusal(self, symbol: Symbol) -> str:
        """Return why one of the master's symbols is not copied; an empty text if it is. A filter may name either spelling."""
        if not (self.include or self.exclude):
            return ""
        names = {symbol, self.mapped(symbol)}
        if not names.isdisjoint(self.exclude):
            return f"{symbol} is excluded by symbols.exclude"
        if self.include and names.isdisjoint(self.include):
            return f"{symbol} is not in symbols.include"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPolicy:
    """The user's own protective exits, in per cent of the average cost with fees; trailing, of the highest price since."""

    stop_loss_pct: Decimal | None = Decimal(5)
    take_profit_pct: Decimal | None = None
    trailing_pct: Decimal | None = None
    max_hold_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FollowedMaster:
    """A named master that a user follows: on which of the user's venues, and with how much of the equity at most (per cent)."""

    name: str
    venue: str
    share_pct: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPolicy:
    """All settings of one user."""

    user: str
    enabled: bool
    venues: tuple[str, ...]
    follow: tuple[tuple[str, str], ...] = ()
    """Masters and the venue on which each is copied, as the file says; an empty venue: that master is not followed."""
    masters: tuple[FollowedMaster, ...] = ()
    """The named masters, beside those of `follow`. What each buys is in a book of its own, so several may share an account."""
    sizing: SizingPolicy = field(default_factory=SizingPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    guards: GuardPolicy = field(default_factory=GuardPolicy)
    symbols: SymbolPolicy = field(default_factory=SymbolPolicy)
    exits: ExitPolicy = field(default_factory=ExitPolicy)
    on_join: OnJoin = OnJoin.NEW_ONLY
    on_join_bps: Decimal = Decimal(50)
    """How much dearer than the master's own price an open position may be when a user joins it."""
    on_leave: OnLeave = OnLeave.KEEP
    orders: OrdersMode = OrdersMode.FILLS
    stage: StagePolicy = field(default_factory=StagePolicy)
    """How far entries go with real money. With `paper` it starts at `paper`, and the other way round."""
    paper: bool = False
    group: str = ""
    """The group whose executors serve this user; empty: those without a group. It decides no order."""
    file: FileState = FileState.GOOD
    fault: str = ""
    """Why the settings are not those of a file, and so no entry is copied; exits go on by the last settings that were known."""
    former_masters: tuple[tuple[str, str], ...] = ()
    """Venues whose account still copies another master than `follow` says, and that master: see `routes.py`. Not a setting."""
    waiting: tuple[tuple[str, str], ...] = ()
    """Masters whose entries wait until a change of `follow` can take effect, and for what. Not a setting."""
    known_masters: tuple[tuple[str, str], ...] = ()
    """Named masters that were ever followed, and the venue to which their entries have gone so far. Not a setting."""

    @property
    def followed(self) -> bool:
        """Whether the engine decides for this user at all: a disabled one with `exits_only` still gets the exits."""
        return self.enabled or self.on_leave is OnLeave.EXITS_ONLY

    def venue_for(self, master: str) -> str | None:
        """Return the user's venue on which a master's signals are copied; None if they are not.

        Without an entry in `follow` that is the master's own venue, which names it, unless another master is copied there: what
        two masters have bought in one account could not be distinguished.
        """
        if (followed := self.followed_master(master)) is not None:
            return followed.venue
        for name, venue in self.follow:
            if name == master:
                return venue or None
        taken = any(venue == master for _, venue in self.follow)
        return master if master in self.venues and not taken else None

    def followed_master(self, name: str) -> FollowedMaster | None:
        """Return what the file says of a named master; None if it does not follow it."""
        return next((each for each in self.masters if each.name == name), None) if self.masters else None

    @property
    def has_books(self) -> bool:
        """Whether positions of this user may be divided by master."""
        return bool(self.masters or self.known_masters)

    def master_at(self, venue: str) -> str:
        """Return the master whose copies the main book at a venue holds: that of `follow`, unless it still has a former one.

        An account on which no master is copied belongs to the master of its venue: what it holds is only sold.
        """
        for name, master in self.former_masters:
            if name == venue:
                return master
        return next((master for master, there in self.follow if there == venue), venue)

    def former_venues(self, master: str) -> tuple[str, ...]:
        """Return the venues, but for that of its entries, whose accounts may hold copies of a master: they are only sold.

        The likeliest comes first: where an entry may still be under way whose fill is not booked yet.
        """
        if len(self.venues) == 1 and not (self.follow or self.former_masters or self.known_masters):
            return ()  # nearly every user, at each signal
        entries = "" if self.waits(master) else self.venue_for(master)
        if is_master_name(master):
            so_far = next((venue for name, venue in self.known_masters if name == master), None)
            others = () if so_far is None else (so_far, *(venue for venue in self.venues if venue != so_far))
            return tuple(venue for venue in others if venue != entries and venue in self.venues)
        return tuple(venue for venue in self.venues if venue != entries and self.master_at(venue) == master)

    def waits(self, master: str) -> str:
        """Return what the entries of a master wait for after a change of `follow`; an empty text if they do not."""
        return next((why for name, why in self.waiting if name == master), "") if self.waiting else ""

    @property
    def currency(self) -> str:
        """Return the currency in which this user pays and in which their account is valued."""
        return next((symbol.quote for symbol in self.symbols.map.values()), "USD")
