"""What must hold at the moment in which an order leaves: checked right before its write-ahead, at each send and each replay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.execution.outcome import Denied

Guard = Callable[[], Awaitable[Denied | None]]
"""Called inside the lane, right before the write-ahead; what it returns stops the send."""


@dataclass(frozen=True, slots=True)
class Switches:
    """The kill switches over an order: read in the step of the write-ahead, so that nothing leaves after one was set.

    `judge` reads what they say, and is called only if one of them is set or cannot be read.
    """

    keys: Sequence[str]
    judge: Guard


@dataclass(frozen=True, slots=True)
class Conditions:
    """The guard of an order, the kill switches over it, and the end of its age."""

    guard: Guard
    switches: Switches | None = None
    latest_at: int | None = None
    """Epoch ms, the venue's time, after which the venue must not take the order; None for one that never ages."""


class StopSending(Exception):  # noqa: N818  # control flow out of the lane, not an error
    """A condition does not hold; `outcome` says which."""

    def __init__(self, outcome: Denied) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
