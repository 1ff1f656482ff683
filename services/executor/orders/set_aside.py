"""Orders that fail unexpectedly: reported as faults, set aside after a few tries, and tried again later.

One damaged record must not block its symbol's exits for ever, nor be forgotten. While an order is set aside

    its record is left as it is: `ops unknown` shows what may have been sent, `ops resolve` may end it
    exits of its symbol go on, and sell nothing that it may have sold
    nothing of its symbol is bought: a late exit must not sell what was bought after it was decided

An order must never be set aside before the venue was asked what became of it, unless asking is what fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.names import AssetNames
from shared.domain.fault import FaultKind, Faults
from shared.domain.order import Decision
from shared.domain.values.money import ONE, ZERO, Quantity
from shared.domain.values.symbol import Symbol

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
_MOST_DOUBLINGS: Final = 10

log = structlog.get_logger()


class Postponement(Exception):  # noqa: N818  # control flow out of an exit, not an error
    """An exit has to wait for an order that was set aside: that one may have sold all that is left."""


@dataclass(slots=True)
class _Trouble:
    """One order that has failed. `reserved` is what it may have sold (None: any amount) once it is set `aside`."""

    symbol: Symbol
    tries: int = 0
    aside: bool = False
    reserved: Decimal | None = ZERO


class SetAside:
    """The orders in trouble of one account, in one turn."""

    def __init__(self, user: str, names: AssetNames, faults: Faults | None = None) -> None:
        """`names` are those of the turn: an order stands in the way of its symbol under any name."""
        self._user = user
        self._names = names
        self._faults = faults or Faults()
        self._troubles: dict[str, _Trouble] = {}

    def __len__(self) -> int:
        return sum(trouble.aside for trouble in self._troubles.values())

    def failed(self, decision: Decision, error: Exception) -> bool:
        """Report that a decision has failed; return True if that is new, so that the traceback is logged once."""
        self._trouble(decision).tries += 1
        words = f"{decision.kind} of {decision.symbol} fails: {type(error).__name__}: {error}"
        return self._faults.report(FaultKind.ORDER, self._subject(decision.id), words)

    def tries(self, decision: Decision) -> int:
        """Return how often a decision has failed, or had to wait."""
        trouble = self._troubles.get(decision.id)
        return trouble.tries if trouble else 0

    def postpone(self, decision: Decision) -> None:
        """Set an exit aside that waits for another order and has sold nothing itself."""
        self._trouble(decision).tries += 1
        self.put(decision, ZERO)

    def put(self, decision: Decision, reserved: Decimal | None) -> None:
        """Set an order aside. `reserved` is how much base it may have sold; None if that is not known."""
        trouble = self._trouble(decision)
        if not trouble.aside:
            log.error(
                "an order is set aside; it is carried out again later",
                signal_id=decision.signal_id,
                order_id=decision.id,
                user=self._user,
                symbol=str(decision.symbol),
            )
        trouble.aside, trouble.reserved = True, reserved

    def over(self, decision: Decision) -> None:
        """Note that an order has ended."""
        if self._troubles.pop(decision.id, None) is not None:
            self._faults.clear(FaultKind.ORDER, self._subject(decision.id))

    def forget(self) -> None:
        """Clear everything: the turn has ended, and the next owner reports what it finds."""
        for order_id in self._troubles:
            self._faults.clear(FaultKind.ORDER, self._subject(order_id))
        self._troubles.clear()

    def pause(self, decision: Decision) -> float:
        """Return the seconds until an order is to be tried again; they double with each try."""
        return float(min(FIRST_PAUSE * 2.0 ** min(self.tries(decision), _MOST_DOUBLINGS), LONGEST_PAUSE))

    def symbols(self) -> set[Symbol]:
        """Return the symbols of the orders that are set aside, by their former and their present names."""
        aside = {trouble.symbol for trouble in self._troubles.values() if trouble.aside}
        return aside | {self._names.renames.symbol(symbol) for symbol in aside}

    def in_the_way(self, decision: Decision) -> str:
        """Return the id of another order of the symbol, under any name, that is set aside; an empty text if there is none."""
        return next((order_id for order_id, _ in self._others(decision)), "")

    def sellable(self, decision: Decision, held: Quantity) -> Quantity:
        """Return how much of what is held an exit may sell, less what orders that are set aside may have sold."""
        left = held.amount
        for _, trouble in self._others(decision):
            # It may have been sold under either name: the larger ratio errs on the low side of what is left.
            ratio = max(self._names.renames.ratio(trouble.symbol, decision.symbol), ONE)
            left = ZERO if trouble.reserved is None else max(left - trouble.reserved * ratio, ZERO)
        return Quantity(left, held.asset)

    def _others(self, decision: Decision) -> list[tuple[str, _Trouble]]:
        if not self._troubles:
            return []
        renames = self._names.renames
        symbol = renames.symbol(decision.symbol)
        return [
            (order_id, trouble)
            for order_id, trouble in self._troubles.items()
            if trouble.aside and renames.symbol(trouble.symbol) == symbol and order_id != decision.id
        ]

    def _trouble(self, decision: Decision) -> _Trouble:
        return self._troubles.setdefault(decision.id, _Trouble(decision.symbol))

    def _subject(self, order_id: str) -> str:
        return f"{self._user}/{order_id}"
