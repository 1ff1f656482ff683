"""A user who copies the master in the backtest, by the code that decides for users live.

Each signal goes through `DecisionPlan.judge` with their own settings. An exit sells the fraction that the master sold of what
the user holds. The user's own exits are `limits/protection.py`, losses are `limits/risk_state.py`: nothing is decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.backtest.accounts.ledger import Ledger
from shared.backtest.accounts.master_fill import MasterFill
from shared.backtest.accounts.price_board import PriceBoard
from shared.backtest.accounts.skip_counts import SkipCounts
from shared.backtest.fill_model import FillModel
from shared.domain.account import Account, AccountState
from shared.domain.copying.decision_plan import DecisionPlan, ExitCopy
from shared.domain.copying.follower import Follower
from shared.domain.exits import ExitSize, size_exit
from shared.domain.limits.policy import StopOutAction, UserPolicy
from shared.domain.limits.protection import due
from shared.domain.limits.risk_state import RiskState
from shared.domain.order import Kind, Side
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.sizing import EntrySize
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, Money, Price, ceil_to, floor_to
from shared.domain.values.symbol import Symbol

_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class UserSetup:
    """A user's settings and what they start with. `instruments` are those of `venue`, by the user's own names of the pairs."""

    policy: UserPolicy
    cash: Money
    venue: str | None
    """Where the master is copied; None: nowhere, and each signal is skipped for that."""
    taker_fee: Decimal
    instruments: Mapping[Symbol, Instrument]


class UserAccount:
    """One user. Symbols in arguments are the master's; what is held has the names that the user gave them."""

    def __init__(self, setup: UserSetup, fills: FillModel, board: PriceBoard, start: int) -> None:
        self.setup = setup
        self.policy = setup.policy
        self._fills = fills
        self._board = board
        self.ledger = Ledger(setup.cash, setup.taker_fee, board.prices)
        self.skips = SkipCounts()
        self.copied: Counter[Kind] = Counter()
        self.own_exits: Counter[str] = Counter()
        limits = self.policy.limits
        self._risk = RiskState.fresh(setup.cash.currency, start) if limits.need_risk else None
        self.watches_losses = limits.stop_out
        self.watches_time = self.policy.exits.max_hold_ms is not None
        self._closing = ""

    # What the master does

    def copy(self, fill: MasterFill) -> None:
        """Decide about a fill of the master, and book what the copy would have done."""
        signal, setup = fill.signal, self.setup
        now, mapped = signal.filled_at, self.policy.symbols.mapped(signal.symbol)
        present = Price(fill.reference, mapped)
        plan = DecisionPlan(signal, self.policy, setup.instruments.get(mapped), venue=setup.venue, price=present)
        judgement = plan.judge(self._follower(fill, now), now)
        skipped: Skip | None
        if isinstance(judgement, EntrySize):
            skipped = self._enter(mapped, judgement, fill)
        elif isinstance(judgement, ExitCopy):
            skipped = self._exit(judgement.symbol, signal.fraction or ONE, fill.reference, now, judgement.reason)
        else:
            skipped = judgement
        if skipped is None:
            self.copied[signal.kind] += 1
        else:
            self.skips.add(signal.kind, skipped.code, skipped.reason)

    def _follower(self, fill: MasterFill, now: int) -> Follower:
        ledger, setup = self.ledger, self.setup
        venue = setup.venue or fill.signal.venue
        return Follower(
            policy=self.policy,
            account=Account(
                self.policy.user, venue, AccountState.READY, "", ledger.equity, ledger.cash, ledger.taker_fee, now
            ),
            switches=(),
            portfolio=Portfolio(ledger.positions, self._board.prices),
            risk=self._risk,
            master_cash=fill.cash_before,
            held=frozenset(ledger.positions),
            venue=setup.venue,
        )

    def _enter(self, symbol: Symbol, size: EntrySize, fill: MasterFill) -> Skip | None:
        """Fill an entry as the executor's immediate-or-cancel limit order would: within its bound, or not at all."""
        price = self._fills.users(Side.BUY, fill.reference, self.setup.instruments[symbol])
        if price.amount > size.limit_price.amount:
            why = f"the price is {price}, the bound {size.limit_price} (guards.max_slippage_bps)"
            return Skip(why, ReasonCode.PRICE_TOO_HIGH)
        at = fill.signal.filled_at
        self.ledger.buy(symbol, size.size, price, at, size.reason)
        if self._risk is not None:
            self._risk = self._risk.after_fill(at, entry=True)
        return None

    def _exit(self, symbol: Symbol, fraction: Decimal, reference: Decimal, at: int, reason: str) -> Skip | None:
        instrument = self.setup.instruments.get(symbol)
        if instrument is None:
            return Skip(f"{symbol} is not traded on {self.setup.venue}", ReasonCode.NOT_TRADED)
        price = self._fills.users(Side.SELL, reference, instrument)
        position = self.ledger.positions.get(symbol) or Position.flat(symbol, at)
        sized = size_exit(position, fraction, instrument, price)
        if not isinstance(sized, ExitSize):
            return sized
        left = position.size - sized.size
        closes = bool(instrument.below_minimum(left, price))
        realized = self.ledger.sell(symbol, sized.size, price, at, reason, closes=closes)
        if self._risk is not None:
            self._risk = self._risk.after_fill(at, realized=realized)
        return None

    # What the user's own settings close

    def low_trigger(self, symbol: Symbol) -> Decimal | None:
        """Return the highest price at or below which a stop or a trailing stop closes the position: a whole tick."""
        position = self._position(symbol)
        if position is None:
            return None
        exits, tick = self.policy.exits, self.setup.instruments[position.symbol].tick
        found = []
        if exits.stop_loss_pct is not None and position.cost.amount > 0:
            found.append(floor_to(_at(position, _HUNDRED - exits.stop_loss_pct), tick))
        if exits.trailing_pct is not None and position.high is not None:
            found.append(floor_to(position.high.amount * (_HUNDRED - exits.trailing_pct) / _HUNDRED, tick))
        return max(found, default=None)

    def high_trigger(self, symbol: Symbol) -> Decimal | None:
        """Return the lowest price at or above which the target closes the position: a whole tick."""
        position, pct = self._position(symbol), self.policy.exits.take_profit_pct
        if position is None or pct is None or position.cost.amount <= 0:
            return None
        return ceil_to(_at(position, _HUNDRED + pct), self.setup.instruments[position.symbol].tick)

    def mark(self, symbol: Symbol) -> Decimal | None:
        """Return the price above which a trailing stop follows."""
        if self.policy.exits.trailing_pct is None or (position := self._position(symbol)) is None:
            return None
        return None if position.high is None else position.high.amount

    def see(self, symbol: Symbol, price: Decimal) -> None:
        """Raise the highest price seen, where a trailing stop follows it."""
        if self.policy.exits.trailing_pct is not None and (position := self._position(symbol)) is not None:
            self.ledger.positions[position.symbol] = position.seen(Price(price, position.symbol))

    def hit(self, symbol: Symbol, reference: Decimal, at: int) -> bool:
        """Close the position if one of the user's rules does so at a price; return whether it was closed."""
        position = self._position(symbol)
        if position is None:
            return False
        intent = due(position, Price(reference, position.symbol), at, self.policy.exits)
        return intent is not None and self._close(position, intent.rule, intent.reason, reference, at)

    def open(self, symbol: Symbol, price: Decimal, at: int) -> bool:
        """Close at a candle's open what a stop-out or the time closes; return whether it was closed."""
        position = self._position(symbol)
        if position is None:
            return False
        if self._closing:
            return self._close(position, ReasonCode.STOP_OUT, self._closing, price, at)
        longest = self.policy.exits.max_hold_ms
        return longest is not None and at - position.opened_at >= longest and self.hit(symbol, price, at)

    def look_at_losses(self, at: int) -> None:
        """Book the profit of copying as of a candle's end (epoch ms), which may stop entries or close everything."""
        if self._risk is None:
            return
        ledger = self.ledger
        unrealized = Portfolio(ledger.positions, self._board.prices).unrealized(ledger.currency)
        self._risk = risk = self._risk.at(at, unrealized, ledger.equity, self.policy.limits)
        closes = risk.stopped(at) and risk.stopped_action is StopOutAction.CLOSE_ALL
        self._closing = risk.stopped_reason if closes else ""

    def _close(self, position: Position, rule: str, reason: str, reference: Decimal, at: int) -> bool:
        skipped = self._exit(position.symbol, ONE, reference, at, reason)
        if skipped is not None:
            return False
        self.own_exits[str(rule)] += 1
        return True

    def _position(self, symbol: Symbol) -> Position | None:
        positions = self.ledger.positions
        return positions.get(self.policy.symbols.mapped(symbol)) if positions else None


def _at(position: Position, pct: Decimal) -> Decimal:
    """Return the price at which a position is worth so many per cent of what it cost."""
    return position.cost.amount * pct / (_HUNDRED * position.size.amount)
