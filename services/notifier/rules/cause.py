"""A cause: one thing that stands now and that a message could be about."""

from __future__ import annotations

from dataclasses import dataclass

from shared.config.notifications import Event


@dataclass(frozen=True, slots=True)
class Cause:
    """`key` identifies it among the causes of its event, and stays the same for as long as it stands."""

    event: Event
    key: str
    who: str
    """Whom it concerns: `alice at kraken`, `the copy engine`, `everybody`."""
    what: str
    """What happened, in words, without a full stop."""
    since: int | None = None
    """When it began, if that is known (epoch ms)."""
    todo: str = ""
    """The command that helps, or what else to do."""
    group: str = ""
    """Causes of one event and group are collected into one message; those of another group do not wait for them."""
    critical: bool = False
    """Whether the message comes in quiet hours too, whatever the settings say of its event."""
    settle_ms: int = 10_000
    """For how long it must be gone before it counts as over: what comes and goes is one cause."""
    momentary: bool = False
    """Whether it is a thing that happened and not one that stands: nothing is said when it is no longer reported."""
    gone_words: str = ""
    """What is said when it is over; by default that it is over."""

    @property
    def id(self) -> str:
        """Return its identity among all causes."""
        return f"{self.event}|{self.key}"
