"""Calls a strategy without holding up the event loop, which emits fills and renews the lease meanwhile.

A shipped strategy runs in a thread: its code is known to end. Any other runs in a process of its own (`worker_runner.py`).
However one fails, it is paused, and the session goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from services.master_strategy.plugins.needs import Needs
from services.master_strategy.plugins.pauses import Pause
from services.master_strategy.plugins.worker_runner import WorkerRunner
from shared.domain.fault import Faults
from shared.strategies.own_class.failure import describe_failure
from shared.strategies.port import Context, Intent
from shared.strategies.slot import StrategySlot


class Runner(Protocol):
    """Runs one strategy."""

    needs: Needs
    pause: Pause

    async def decide(self, context: Context) -> Sequence[Intent] | None:
        """Return its intents; None if it is paused, also by this call. Raises nothing of the strategy's."""
        ...

    async def close(self) -> None:
        """End what runs it."""
        ...


def open_runner(slot: StrategySlot, *, config: Path | None, budget: float, faults: Faults) -> Runner:
    """Return the runner of a strategy; `budget` in seconds for a decision of one that is not shipped."""
    pause = Pause(slot.name, faults)
    if slot.kind.shipped:
        return ThreadRunner(slot, pause)
    return WorkerRunner(slot, pause, config=config, budget=budget)


class ThreadRunner:
    """Runs a shipped strategy in a thread."""

    def __init__(self, slot: StrategySlot, pause: Pause) -> None:
        self._strategy = slot.build()
        self.needs = Needs.of(self._strategy)
        self.pause = pause

    async def decide(self, context: Context) -> Sequence[Intent] | None:
        """Return its intents; None if it is paused."""
        if self.pause.reason:
            return None
        try:
            return await asyncio.to_thread(self._strategy.decide, context)
        except Exception as error:  # noqa: BLE001  # a defect of a strategy must not end the session, whose fills are to be emitted
            self.pause.begin(describe_failure(error))
            return None

    async def close(self) -> None:
        """Nothing is left to end."""
