"""The size that each entry should have had: by the equities, the multiplier and the stage that were recorded with its decision.

The ideal size is never read from what was ordered, except where the user's size does not follow the equities (`sizing.mode` is
not `equity`, or the decision is of a version that did not record the multiplier): then what was ordered is what the settings
ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from shared.domain.order import Decision, Kind
from shared.domain.values.money import ONE, ZERO
from shared.ledger.statement.parts.exact import exactly, quotient
from shared.ledger.statement.records.material import Copied, Scale


@dataclass(frozen=True, slots=True)
class IdealSize:
    """The ideal size of an entry; `at_equity` is what it would be with the settings of the first decision."""

    at_equity: Decimal
    size: Decimal


class Scales:
    """The scales of a period, decision by decision; `first` is the one by which the master's result is scaled."""

    def __init__(self, copied: Sequence[Copied], before: Scale | None = None) -> None:
        self.first = first_scale(copied, before)
        self.unknown = 0
        """Entries whose ideal size had to be taken from another decision, or from what was ordered."""
        self._last = self.first
        self._stage = next((stage for each in copied if (stage := _stage(each.decision)) is not None), ONE)

    @property
    def ratio(self) -> Decimal:
        """Return the ratio of the first decision; zero if none is known, and then nothing of the master's is the user's."""
        return ZERO if self.first is None else ratio_of(self.first)

    def ideal(self, each: Copied) -> IdealSize:
        """Return the ideal size of an entry. Call it in the order of the signals: what is unknown follows the one before."""
        self._stage = _stage(each.decision) or self._stage
        own = recorded_scale(each.decision, self._stage)
        if own is None:
            self.unknown += 1
            if each.decision.copy is not None and (ordered := each.decision.copy.base_size) is not None:
                return IdealSize(ordered.amount, ordered.amount)
        self._last = own or self._last
        if self._last is None or self.first is None:
            return IdealSize(ZERO, ZERO)
        masters = each.signal.base_size.amount
        with exactly():
            at_first = ratio_of(Scale(self._last.equity, self.first.factor))
            return IdealSize(at_first * masters, ratio_of(self._last) * masters)


def ratio_of(scale: Scale) -> Decimal:
    """Return the factor on the master's sizes."""
    with exactly():
        return scale.equity * scale.factor


def first_scale(copied: Sequence[Copied], before: Scale | None = None) -> Scale | None:
    """Return the scale of the first decision on an entry whose stage is known, else of any; `before` if there is none."""
    entries = [each for each in copied if each.decision.kind is Kind.ENTRY]
    sized = [each for each in entries if _stage(each.decision) is not None]
    for each in sized:
        if (found := recorded_scale(each.decision, _stage(each.decision) or ONE) or _ordered_scale(each)) is not None:
            return found
    if before is not None:
        return before
    return next((found for each in copied if (found := recorded_scale(each.decision, ONE)) is not None), None)


def recorded_scale(decision: Decision, stage: Decimal) -> Scale | None:
    """Return the scale that a decision states; None if it lacks an equity or its multiplier."""
    masters, users = decision.master_equity, decision.user_equity
    if decision.multiplier is None or masters is None or users is None or masters.amount <= 0:
        return None
    with exactly():
        return Scale(quotient(users.amount, masters.amount), decision.multiplier * stage)


def _ordered_scale(each: Copied) -> Scale | None:
    copy = each.decision.copy
    if copy is None or copy.base_size is None:
        return None
    return Scale(quotient(copy.base_size.amount, each.signal.base_size.amount), ONE)


def _stage(decision: Decision) -> Decimal | None:
    """Return the share of the user's stage that an entry was sized with; None if it was not sized.

    A stage that is no number (`shadow`) sizes the whole order, as no stage does.
    """
    if decision.copy is None and not decision.stage:
        return None
    try:
        share = Decimal(decision.stage or ONE)
    except InvalidOperation:
        return ONE
    return share if share.is_finite() and share > 0 else ONE
