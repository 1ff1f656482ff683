"""Tracking: the master's signals replayed over a balance, with the same sizing that the engine uses.

Fills get the master's price and the account's fee; price moves between signals are ignored. The replayed account is compared
with an ideal one, which has the same sizing and filters, and no limits, minimums or steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from shared.domain.account import Account, AccountState
from shared.domain.exits import size_exit
from shared.domain.limits.policy import BelowMinimum, LimitPolicy, UserPolicy
from shared.domain.limits.risk import AccountSnapshot, check_hard_limits
from shared.domain.limits.risk_state import RiskState
from shared.domain.order import Kind
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.sizing import EntrySize, size_entry
from shared.domain.skip import Skip
from shared.domain.valuation import value
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol

MOST_MISSED: Final = Decimal("0.05")
"""A balance is sensible if at most this share of the trades falls below the venue's minimum."""
_BELOW_MINIMUM: Final = frozenset({ReasonCode.BELOW_MINIMUM, ReasonCode.INSUFFICIENT_FUNDS})
"""Skips that count as below the venue's minimum. What only a limit has made too small does not."""
_HUNDRED: Final = Decimal(100)
_LEAST, _MOST = Decimal(1), Decimal(10) ** 9
_NEAR: Final = Decimal("1.005")
_FINE: Final = Decimal("1E-12")


@dataclass(frozen=True, slots=True)
class TrackingResult:
    """The result of a replay. `entries` pass the user's filters; errors are in percentage points of the equity."""

    entries: int
    copied: int
    below_minimum: int
    limited: int
    filtered: int
    error_rms: Decimal
    error_worst: Decimal

    @property
    def missed_share(self) -> Decimal:
        """Return the share (0..1) of the entries that the venue would reject as too small."""
        return Decimal(self.below_minimum) / self.entries if self.entries else ZERO


@dataclass(slots=True)
class _Replay:
    """One account during a replay."""

    policy: UserPolicy
    instruments: Mapping[Symbol, Instrument]
    cash: Money
    fee: Decimal
    positions: dict[Symbol, Position] = field(default_factory=dict)
    prices: dict[Symbol, Price] = field(default_factory=dict)
    risk: RiskState | None = None

    @property
    def equity(self) -> Money:
        held = {position.symbol.base: position.size.amount for position in self.positions.values()}
        return value(self.cash, held, self.prices).worth

    @property
    def exposure(self) -> Decimal:
        """Return the value of all positions as a share of the equity."""
        whole = self.equity
        return ZERO if whole.amount <= 0 else ONE - self.cash.amount / whole.amount

    def take(self, signal: Signal, master_cash: Money | None) -> Skip | None:
        """Apply one signal. Return why it was not copied; None if it was."""
        symbol = self.policy.symbols.mapped(signal.symbol)
        price = Price(signal.price.amount, symbol)
        self.prices[symbol] = price
        instrument = self.instruments.get(symbol)
        if instrument is None:
            return Skip(f"{symbol} is not traded", ReasonCode.NOT_TRADED)
        if signal.kind is Kind.EXIT:
            self._sell(signal, symbol, price, instrument)
            return None
        return self._buy(signal, price, instrument, master_cash)

    def _buy(self, signal: Signal, price: Price, instrument: Instrument, master_cash: Money | None) -> Skip | None:
        now, symbol = signal.filled_at, price.symbol
        account = Account(
            self.policy.user, signal.venue, AccountState.READY, "", self.equity, self.cash, self.fee, as_of=now
        )
        book = Portfolio(self.positions, self.prices)
        self.risk = self.risk or RiskState.fresh(self.cash.currency, now)
        if (
            denied := check_hard_limits(self.policy, AccountSnapshot(account, book, self.risk), symbol, now)
        ) is not None:
            return denied
        sized = size_entry(signal, account, self.policy, instrument, portfolio=book, master_cash=master_cash)
        if isinstance(sized, Skip):
            free = size_entry(
                signal, account, _unlimited(self.policy), instrument, portfolio=book, master_cash=master_cash
            )
            return free if isinstance(free, Skip) else sized
        self._fill(sized, price, now)
        return None

    def _fill(self, sized: EntrySize, price: Price, now: int) -> None:
        cost = (sized.size * price).scaled(ONE + self.fee)
        before = self.positions.get(price.symbol) or Position.flat(price.symbol, now)
        self.positions[price.symbol] = before.bought(sized.size, cost, now)
        self.cash = self.cash - cost
        self.risk = self.risk and self.risk.after_fill(now, entry=True)

    def _sell(self, signal: Signal, symbol: Symbol, price: Price, instrument: Instrument) -> None:
        position = self.positions.get(symbol)
        if position is None:
            return
        close = size_exit(position, signal.fraction or ONE, instrument, price)
        if isinstance(close, Skip):
            return
        self.cash = self.cash + (close.size * price).scaled(ONE - self.fee)
        left = position.sold(close.size, signal.filled_at)
        if left.size.amount > 0:
            self.positions[symbol] = left
        else:
            del self.positions[symbol]


def track(
    signals: Sequence[Signal],
    policy: UserPolicy,
    balance: Decimal,
    instruments: Mapping[Symbol, Instrument],
    fee: Decimal,
) -> TrackingResult:
    """Replay signals, oldest first, over a balance in the user's currency; `fee` is a share of each fill."""
    cash = Money(balance, policy.currency)
    real = _Replay(policy, instruments, cash, fee)
    ideal = _Replay(_unlimited(policy), {symbol: _fine(each) for symbol, each in instruments.items()}, cash, fee)
    masters: dict[Symbol, Quantity] = {}
    prices: dict[Symbol, Price] = {}
    counts = dict.fromkeys(("copied", "below", "limited", "filtered"), 0)
    errors = []
    for signal in signals:
        if signal.kind is Kind.ENTRY and policy.symbols.refusal(signal.symbol):
            counts["filtered"] += 1
            masters[signal.symbol], prices[signal.symbol] = signal.position_after, signal.price
            continue
        prices[signal.symbol] = signal.price
        master_cash = _master_cash(signal, masters, prices)
        skip = real.take(signal, master_cash)
        ideal.take(signal, master_cash)
        masters[signal.symbol] = signal.position_after
        if signal.kind is Kind.ENTRY:
            counts[_outcome(skip)] += 1
        errors.append((real.exposure - ideal.exposure) * _HUNDRED)
    squares = sum((error * error for error in errors), ZERO)
    return TrackingResult(
        entries=counts["copied"] + counts["below"] + counts["limited"],
        copied=counts["copied"],
        below_minimum=counts["below"],
        limited=counts["limited"],
        filtered=counts["filtered"],
        error_rms=(squares / len(errors)).sqrt() if errors else ZERO,
        error_worst=max(map(abs, errors), default=ZERO),
    )


def _outcome(skip: Skip | None) -> str:
    if skip is None:
        return "copied"
    return "below" if skip.code in _BELOW_MINIMUM else "limited"


def smallest_balance(replayed: Callable[[Decimal], TrackingResult]) -> Decimal | None:
    """Find the smallest balance, to within 0.5 %, at which at most 5 % of the trades are missed; None if no balance does.

    A larger balance is assumed to miss no more than a smaller one.
    """
    high = _LEAST
    while replayed(high).missed_share > MOST_MISSED:
        high *= 4
        if high > _MOST:
            return None
    low = high / 4
    while high > low * _NEAR and high > _LEAST:
        middle = (low + high) / 2
        if replayed(middle).missed_share > MOST_MISSED:
            low = middle
        else:
            high = middle
    return high.quantize(Decimal("0.01"))


def _unlimited(policy: UserPolicy) -> UserPolicy:
    return replace(policy, limits=LimitPolicy(), sizing=replace(policy.sizing, below_minimum=BelowMinimum.SKIP))


def _fine(instrument: Instrument) -> Instrument:
    return replace(instrument, lot_step=_FINE, min_size=ZERO, min_cost=ZERO)


def _master_cash(signal: Signal, held: Mapping[Symbol, Quantity], prices: Mapping[Symbol, Price]) -> Money | None:
    """Compute the master's cash before a signal: its equity less the value of its positions at the last known prices.

    None if its equity was not known.
    """
    cash = signal.master_equity
    if cash is None:
        return None
    for symbol, size in held.items():
        if symbol.quote == cash.currency:
            cash = cash - size * prices[symbol]
    return cash
