"""Jumps of the market onto the exit plans of the strategy: in a calm day its rules sell everything before a stop or a target.

A jump goes to the stop or to the next target of a position that the strategy holds, if that is near enough; the market goes on
from there. Each user's own exits see the same prices.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Final, cast

from shared.contracts import keys
from shared.contracts.own_position_record import read_own_position
from shared.domain.account import MASTER
from shared.strategies.exit_plan import ExitPlan
from tests.day.market import Prices
from tests.support.stack import Stack

_TIMES: Final = tuple(0.10 + 0.05 * number for number in range(17))
"""Shares of the day."""
_FARTHEST: Final = Decimal("0.12")
"""How far from the present price a stop or a target may be."""
_BEYOND: Final = Decimal("0.002")
_PATIENCE: Final = 0.05
"""Share of the day for which a position is waited for."""
_LOOK: Final = 0.2


class Jumps:
    """Moves prices in a thread of its own: down to a stop and up to a target in turn."""

    def __init__(self, stack: Stack, venue: str, prices: Prices, note: Callable[..., None]) -> None:
        """`venue`: where the strategy trades."""
        self._stack = stack
        self._venue = venue
        self._prices = prices
        self._note = note
        self._thread = threading.Thread(daemon=True)

    def start(self, seconds: float) -> None:
        """Begin a day of so many seconds."""
        self._thread = threading.Thread(target=self._run, args=(seconds,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the last jump."""
        self._thread.join(60)

    def _run(self, seconds: float) -> None:
        began = time.monotonic()
        for number, share in enumerate(_TIMES):
            left = began + share * seconds - time.monotonic()
            time.sleep(max(left, 0))  # the market's own pace: nothing is waited for
            end = time.monotonic() + _PATIENCE * seconds
            while not self._jump(up=bool(number % 2)) and time.monotonic() < end:
                time.sleep(_LOOK)  # until the strategy holds something near its plan

    def _jump(self, *, up: bool) -> bool:
        """Move one price; return whether there was a position to do it for."""
        written = cast("dict[str, str]", self._stack.client.hgetall(keys.strategy(MASTER, self._venue)))
        found: list[tuple[Decimal, str, Decimal]] = []
        for field, text in written.items():
            with suppress(ValueError):  # it is being written
                own = read_own_position(field, text).own
                price, symbol = self._prices.latest(str(own.symbol)), str(own.symbol)
                if own.plan is not None and own.position.size.amount > 0 and (goal := _goal(own.plan, price, up=up)):
                    found.append((abs(goal / price - 1), symbol, goal))
        if not found or min(found)[0] > _FARTHEST:
            return False
        _, symbol, goal = min(found)
        self._stack.price(symbol, f"{goal:f}")
        self._note("the market jumps", symbol=symbol, to=f"{goal:f}")
        return True


def _goal(plan: ExitPlan, price: Decimal, *, up: bool) -> Decimal | None:
    """Return the price of a jump: just beyond the next target, or just below the stop; None if there is none."""
    if up:
        target = next((each.price for each in plan.targets if each.price > price), None)
        return None if target is None else target * (1 + _BEYOND)
    goal = plan.stop * (1 - _BEYOND)
    return goal if 0 < goal < price else None
