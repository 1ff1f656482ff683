"""What is kept of a cause, of a group of causes, and of a message: each is one JSON text in a hash field."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from shared.config.notifications import Event


class Stage(StrEnum):
    """How far a cause has come."""

    NOTED = "noted"  # it stands, and no message has been made of it
    SENT = "sent"  # a message was made of it
    OVER = "over"  # it is gone, and the message that says so is still to be made


class Level(StrEnum):
    """What kind of message it is: apprise has the same words."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(slots=True)
class Incident:
    """A cause and what became of it. Instants in epoch ms by Redis's clock or the notifier's."""

    event: Event
    key: str
    who: str
    what: str
    since: int | None
    todo: str
    group: str
    critical: bool
    settle_ms: int
    gone_words: str
    noted_at: int
    stage: Stage = Stage.NOTED
    gone_at: int | None = None
    silent: bool = False
    momentary: bool = False

    @property
    def id(self) -> str:
        """Return the identity of its cause."""
        return f"{self.event}|{self.key}"

    def text(self) -> str:
        """Return it as the text that is kept."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, written: str) -> Self:
        """Parse the text. Raises ValueError for one that this version cannot read."""
        fields = _object(written)
        return cls(**(fields | {"event": Event(fields["event"]), "stage": Stage(fields["stage"])}))


@dataclass(slots=True)
class Window:
    """For how long causes of a group are collected. `passed` counts those that came and went meanwhile, without a message."""

    until: int = 0
    span_ms: int = 0
    passed: int = 0

    def text(self) -> str:
        """Return it as the text that is kept."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, written: str) -> Self:
        """Parse the text. Raises ValueError."""
        return cls(**_object(written))


@dataclass(slots=True)
class Message:
    """One message. `waiting`: by target that has not confirmed it, how often sending was tried.

    `begun` holds the targets to which a send was begun whose end is not known.
    """

    id: str
    title: str
    body: str
    level: Level
    created_at: int
    critical: bool = False
    waiting: dict[str, int] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it as the text that is kept."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, written: str) -> Self:
        """Parse the text. Raises ValueError."""
        fields = _object(written)
        return cls(**(fields | {"level": Level(fields["level"])}))


def _object(written: str) -> dict[str, Any]:
    try:
        found = json.loads(written)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004  # of a text, not of an argument
    return found
