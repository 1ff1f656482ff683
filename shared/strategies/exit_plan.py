"""How a position of the master ends by price alone, without its strategy: a stop, targets, and then a trailing stop.

Recorded with the position, so that it survives a restart and holds while the strategy is paused. Pure. A plan never widens: its
stop only rises, and a step counts as done when its sale has filled, not when it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from shared.domain.values.money import ONE


@dataclass(frozen=True, slots=True)
class Target:
    """Sell `fraction` (0 < fraction <= 1) of what is held then, once the price (quote per base) is reached."""

    price: Decimal
    fraction: Decimal


@dataclass(frozen=True, slots=True)
class DueExit:
    """What a plan sells now: a fraction of what is held, the number of targets that this does, and why."""

    fraction: Decimal
    targets_done: int
    reason: str


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """Prices are quote per base."""

    stop: Decimal
    targets: tuple[Target, ...] = ()
    """The targets that are left, nearest first."""
    break_even: Decimal | None = None
    """Where the stop moves when the first target is done."""
    trail: Decimal | None = None
    """How far below the highest price the stop follows once the first target is done; None: it does not."""
    highest: Decimal | None = None
    """The highest price since the first target was done; None before that."""

    def after_price(self, price: Decimal) -> ExitPlan:
        """Return the plan after a price was seen: past the first target a new high raises a trailing stop."""
        if self.highest is None or price <= self.highest:
            return self
        # Without `replace`: a backtest sees a new high with many of its candles.
        stop = self.stop if self.trail is None else max(self.stop, price - self.trail)
        return ExitPlan(stop, self.targets, self.break_even, self.trail, price)

    def due(self, price: Decimal) -> DueExit | None:
        """Return what must be sold at a price, if anything: everything at the stop, or all targets that it has passed."""
        if price <= self.stop:
            return DueExit(ONE, 0, f"stop {self.stop}: price {price}")
        kept, done = ONE, 0
        for target in self.targets:
            if price < target.price:
                break
            kept, done = kept * (ONE - target.fraction), done + 1
        if not done:
            return None
        return DueExit(ONE - kept, done, f"target {self.targets[done - 1].price}: price {price}")

    def after_exit(self, done: DueExit, price: Decimal) -> ExitPlan:
        """Return the plan after a due exit has filled, at about this price."""
        if not done.targets_done:
            return self
        first = self.highest is None
        left = replace(self, targets=self.targets[done.targets_done :], highest=max(self.highest or price, price))
        if first and self.break_even is not None:
            left = replace(left, stop=max(left.stop, self.break_even))
        return _trailed(left)

    def after_part(self, done: DueExit, sold: Decimal) -> ExitPlan:
        """Return the plan after a due exit has filled only in part: `sold` (0 < sold < its fraction) of what was held.

        The rest of its targets' sale is due again at the first of these prices; only with that are they done.
        """
        if not done.targets_done:
            return self
        rest = Target(self.targets[0].price, (done.fraction - sold) / (ONE - sold))
        return replace(self, targets=(rest, *self.targets[done.targets_done :]))

    def scaled(self, ratio: Decimal) -> ExitPlan:
        """Return the plan with every price multiplied: the coin got another unit."""
        return ExitPlan(
            self.stop * ratio,
            tuple(Target(target.price * ratio, target.fraction) for target in self.targets),
            None if self.break_even is None else self.break_even * ratio,
            None if self.trail is None else self.trail * ratio,
            None if self.highest is None else self.highest * ratio,
        )


def _trailed(plan: ExitPlan) -> ExitPlan:
    if plan.trail is None or plan.highest is None:
        return plan
    return replace(plan, stop=max(plan.stop, plan.highest - plan.trail))
