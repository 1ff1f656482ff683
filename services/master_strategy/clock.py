"""The passing of time, handed in: what waits or ages in here never asks the system itself, so that tests need not wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` gives epoch ms, `sleep` waits so many seconds."""

    now: Callable[[], int]
    sleep: Callable[[float], Awaitable[object]]


def system_clock() -> Clock:
    """Give the clock of this machine."""
    return Clock(now=lambda: time.time_ns() // 1_000_000, sleep=asyncio.sleep)
