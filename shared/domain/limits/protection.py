"""The user's own protective exits: when a copied position is closed without the master. Pure.

They need a position, a price and the time, and nothing from the master, the engine or the API; without a price nothing is sold.
They always ask for an exit of the whole position, which `size_exit` then limits to what is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.limits.policy import ExitPolicy
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.values.money import ONE, Money, Price, plain

_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class ExitIntent:
    """The intent to close a position by a rule; `words` carry the numbers."""

    rule: ReasonCode
    words: str
    fraction: Decimal = ONE

    @property
    def reason(self) -> str:
        """Return the reason for a report: `stop_loss: 56943 USD is 5 % or more below ...`."""
        return f"{self.rule}: {self.words}"


def due(position: Position, price: Price | None, now: int, exits: ExitPolicy) -> ExitIntent | None:
    """Return the first rule that closes a position now, in the order stop, trail, target, time; None if none does.

    A rule applies exactly at its boundary. The average cost includes buying fees. A position of unknown cost has neither stop nor
    target.
    """
    if position.size.amount <= 0:
        return None
    if price is not None:
        for rule in (_stop_loss, _trailing, _take_profit):
            if intent := rule(position, price, exits):
                return intent
    if exits.max_hold_ms is not None and now - position.opened_at >= exits.max_hold_ms:
        return ExitIntent(
            ReasonCode.MAX_HOLD,
            f"held for {(now - position.opened_at) / 1000:.0f} s of {exits.max_hold_ms / 1000:.0f} s",
        )
    return None


def _stop_loss(position: Position, price: Price, exits: ExitPolicy) -> ExitIntent | None:
    pct = exits.stop_loss_pct
    if pct is None or position.cost.amount <= 0 or not _worth(position, price) <= _part(position.cost, _HUNDRED - pct):
        return None
    return ExitIntent(ReasonCode.STOP_LOSS, f"{price} is {plain(pct)} % or more below {_average(position)}")


def _take_profit(position: Position, price: Price, exits: ExitPolicy) -> ExitIntent | None:
    pct = exits.take_profit_pct
    if pct is None or position.cost.amount <= 0 or not _part(position.cost, _HUNDRED + pct) <= _worth(position, price):
        return None
    return ExitIntent(ReasonCode.TAKE_PROFIT, f"{price} is {plain(pct)} % or more above {_average(position)}")


def _trailing(position: Position, price: Price, exits: ExitPolicy) -> ExitIntent | None:
    pct, high = exits.trailing_pct, position.high
    if pct is None or high is None or not price.amount * _HUNDRED <= high.amount * (_HUNDRED - pct):
        return None
    return ExitIntent(ReasonCode.TRAILING, f"{price} is {plain(pct)} % or more below the highest price {high}")


def _worth(position: Position, price: Price) -> Money:
    return (position.size * price).scaled(_HUNDRED)


def _part(cost: Money, pct: Decimal) -> Money:
    return cost.scaled(pct)


def _average(position: Position) -> str:
    average = Price(position.cost.amount / position.size.amount, position.symbol)
    return f"the average cost of {plain(average.shown())} {position.symbol.quote}"
