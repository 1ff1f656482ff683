"""The user's own protective exits: when a copied position is closed without the master. Pure.

They need a position, a price and the time, and nothing of master, engine or api; a price that is missing sells nothing. What they
ask for is always a close of the whole position, which `size_exit` then bounds by what is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.account import Position
from shared.domain.limits.policy import ExitPolicy
from shared.domain.reason import ReasonCode
from shared.domain.values.money import ONE, Money, Price, plain

_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class ExitIntent:
    """Close a position; `words` carry the numbers."""

    rule: ReasonCode
    words: str
    fraction: Decimal = ONE

    @property
    def reason(self) -> str:
        """Give what a report says: `stop_loss: 56943 USD is at or below 57000 USD, 5 % under ...`."""
        return f"{self.rule}: {self.words}"


def due(position: Position, price: Price | None, now: int, exits: ExitPolicy) -> ExitIntent | None:
    """Say whether a position must be closed now, at its boundary exactly; the first rule of stop, trail, target, time.

    The average cost includes the fees of buying. A position of which no cost is known has neither stop nor target.
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
