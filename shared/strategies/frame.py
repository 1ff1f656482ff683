"""What stands between a strategy and its orders: its intents are checked, and entries beyond the caps are refused. Pure.

Master and backtest run the same frame, so that a backtest refuses what the master would. Caps concern entries only: nothing here
may ever hold back an exit. An entry answers the newest candle there is, so that the gap between two is one of candles.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.values.money import ONE, ZERO
from shared.domain.values.symbol import Symbol
from shared.strategies.entry_history import EntryHistory
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.port import Context, Enter, Exit, Intent, Strategy

__all__ = [
    "NO_CAPS",
    "Caps",
    "Decided",
    "EntryHistory",
    "Frame",
    "InvalidIntentError",
    "Pending",
    "Refused",
    "check_intents",
]

_PER_CENT: Final = Decimal(100)


class InvalidIntentError(ValueError):
    """A strategy returned something that is no usable intent: an error in its code."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits on the entries of one strategy; None: no limit. Times are market time, which candles count."""

    max_positions: int | None = None
    max_entries_per_day: int | None = None
    """Entries per UTC day."""
    entry_gap_seconds: int = 0
    max_exposure_pct: Decimal | None = None
    """What all its positions may be worth together, in per cent of its equity."""
    one_entry_per_cycle: bool = False
    settle_seconds: int = 0
    """No entry is decided within so many first seconds of a candle, by the venue's clock.

    It postpones an entry and changes none: the candles that decide are over. The master waits (`trading/cycle.py`); a backtest,
    which decides at a candle's close and fills at the next open, stands for the decision after the wait.
    """


NO_CAPS: Final = Caps()


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry whose order is under way: it is in no holding yet. `share` is of the equity (0..1]."""

    symbol: Symbol
    share: Decimal


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that a cap refused, and why."""

    intent: Enter
    reason: str


@dataclass(frozen=True, slots=True)
class Decided:
    """The intents that may be executed, in the strategy's order, and the entries that may not."""

    intents: tuple[Intent, ...]
    refused: tuple[Refused, ...]
    history: EntryHistory
    """After every entry that is let through. If an order is not sent, call `entered` for those that are sent instead."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One strategy with its caps."""

    strategy: Strategy
    caps: Caps

    def decide(self, context: Context, history: EntryHistory, pending: Collection[Pending] = ()) -> Decided:
        """Call the strategy, and return what the caps let through.

        Raises InvalidIntentError for what is no intent of this context, and whatever the strategy raises.
        """
        return admit(self.strategy.decide(context), context, self.caps, history, pending)


def admit(
    intents: Sequence[Intent], context: Context, caps: Caps, history: EntryHistory, pending: Collection[Pending] = ()
) -> Decided:
    """Return what the caps let through of intents that a strategy has returned. Raises InvalidIntentError."""
    check_intents(intents, context)
    passed: list[Intent] = []
    refused: list[Refused] = []
    entered: list[Enter] = []
    for intent in intents:
        if isinstance(intent, Exit):
            passed.append(intent)
        elif reason := _refusal(intent, entered, context, caps, history, pending):
            refused.append(Refused(intent, reason))
        else:
            passed.append(intent)
            entered.append(intent)
            history = history.entered(context.now)
    return Decided(tuple(passed), tuple(refused), history)


def _refusal(
    intent: Enter,
    entered: Sequence[Enter],
    context: Context,
    caps: Caps,
    history: EntryHistory,
    pending: Collection[Pending],
) -> str:
    """Return why an entry is refused; an empty text if it is not. `entered` are those of this cycle."""
    now = context.now
    taken = {*context.holdings, *(each.symbol for each in pending), *(each.symbol for each in entered)}
    if intent.symbol in taken:
        return "it is held already, or its entry is under way"
    newest = max(candles[-1].opened_at for candles in context.candles.values())
    if (
        context.candles[intent.symbol][-1].opened_at < newest
    ):  # read right before that candle ended: now is later than it knows
        return "a newer candle has ended than its last one"
    if entered and caps.one_entry_per_cycle:
        return "one entry per cycle"
    if caps.max_positions is not None and len(taken) >= caps.max_positions:
        return f"{len(taken)} positions of at most {caps.max_positions}"
    if caps.max_entries_per_day is not None and history.entries_on(now) >= caps.max_entries_per_day:
        return f"{history.entries_on(now)} entries today of at most {caps.max_entries_per_day}"
    if not entered and history.last_entry is not None and caps.entry_gap_seconds:
        since = (now - history.last_entry) // 1000
        if since < caps.entry_gap_seconds:
            return f"{since} s since the last entry, at least {caps.entry_gap_seconds}"
    return _over_exposure(intent, entered, context, caps, pending)


def _over_exposure(
    intent: Enter, entered: Sequence[Enter], context: Context, caps: Caps, pending: Collection[Pending]
) -> str:
    limit = caps.max_exposure_pct
    if limit is None:
        return ""
    if context.equity.amount <= 0:
        return "the equity is not known"
    shares = sum((each.share for each in pending), sum((each.share for each in entered), intent.share))
    pct = (_held_value(context) / context.equity.amount + shares) * _PER_CENT
    return f"exposure would be {pct:.1f} % of at most {limit} %" if pct > limit else ""


def _held_value(context: Context) -> Decimal:
    """Value the holdings by the newest candle, and by what they cost where there is none."""
    total = ZERO
    for symbol, held in context.holdings.items():
        candles = context.candles.get(symbol)
        total += held.size.amount * (candles[-1].close if candles else held.average_price.amount)
    return total


def check_intents(intents: Sequence[Intent], context: Context) -> None:
    """Raise InvalidIntentError for what a strategy may not return. Strangers write strategies, so nothing is taken on trust."""
    if not isinstance(intents, list | tuple):
        raise InvalidIntentError(f"decide() must return a list of intents, not {type(intents).__name__}")
    seen: set[Symbol] = set()
    for intent in intents:
        if not isinstance(intent, Enter | Exit):
            raise InvalidIntentError(f"decide() must return Enter and Exit, not {type(intent).__name__}")
        if not isinstance(intent.symbol, Symbol) or intent.symbol not in context.candles:
            raise InvalidIntentError(f"{intent.symbol} has no candles in this context")
        if intent.symbol in seen:
            raise InvalidIntentError(f"{intent.symbol} has two intents")
        if not isinstance(intent.reason, str):
            raise InvalidIntentError(f"{intent.symbol}: reason must be a text, not {type(intent.reason).__name__}")
        seen.add(intent.symbol)
        if isinstance(intent, Exit):
            _check_fraction(intent.symbol, "fraction", intent.fraction)
            if intent.symbol not in context.holdings:
                raise InvalidIntentError(f"{intent.symbol}: the strategy does not hold it, and cannot sell it")
        else:
            _check_fraction(intent.symbol, "share", intent.share)
            _check_plan(intent.symbol, intent.plan, context.candles[intent.symbol][-1].close)


def _check_fraction(symbol: Symbol, name: str, value: object) -> None:
    if not isinstance(value, Decimal) or not value.is_finite() or not ZERO < value <= ONE:
        raise InvalidIntentError(f"{symbol}: {name} must be a Decimal above 0 and at most 1, not {value!r}")


def _check_plan(symbol: Symbol, plan: object, price: Decimal) -> None:
    """Refuse a plan that would sell at once, or that could not be followed."""
    if plan is None:
        return
    if not isinstance(plan, ExitPlan):
        raise InvalidIntentError(f"{symbol}: plan must be an ExitPlan, not {type(plan).__name__}")
    if not isinstance(plan.stop, Decimal) or not plan.stop.is_finite():
        raise InvalidIntentError(f"{symbol}: stop must be a Decimal, not {plan.stop!r}")
    optional = [value for value in (plan.break_even, plan.trail, plan.highest) if value is not None]
    prices = [*(target.price for target in plan.targets), *optional]
    if not all(isinstance(value, Decimal) and value.is_finite() and value > 0 for value in prices):
        raise InvalidIntentError(f"{symbol}: every price of the plan must be a Decimal above 0")
    if plan.stop >= price:
        raise InvalidIntentError(f"{symbol}: stop {plan.stop} is not below the price {price}")
    ahead = [target.price for target in plan.targets]
    if ahead and (ahead[0] <= price or sorted(set(ahead)) != ahead):
        raise InvalidIntentError(f"{symbol}: targets must be above the price {price}, the nearest first")
    for target in plan.targets:
        _check_fraction(symbol, "the fraction of a target", target.fraction)
