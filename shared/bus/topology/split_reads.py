"""Splits a read of many independent keys by slot, and joins the answers as if one server had given them.

Only reads: nothing that must happen in one step is ever split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from shared.bus.client.wire import Command, Words
from shared.bus.topology.command_slot import slot_of_key

_READ: Final = "XREAD"
SPLIT: Final = frozenset({"EXISTS", "MGET", _READ})
"""The commands that may be split."""
_STREAMS: Final = "STREAMS"


@dataclass(frozen=True, slots=True)
class SplitRead:
    """The parts of a read, each of one slot, and how their answers become one."""

    parts: Sequence[Words]
    join: Callable[[Sequence[Any]], Any]

    def answer(self, answers: Sequence[Any]) -> Any:
        """Return the answer to the whole; an error of one part is the answer, as it would be on one server."""
        for each in answers:
            if isinstance(each, ResponseError):
                return each
        return self.join(answers)


def split(command: Command) -> SplitRead | None:
    """Return the parts of a read whose keys are in several slots; None for any other command."""
    if isinstance(command, bytes):
        return None
    name = str(command[0]).upper()
    if name not in SPLIT:
        return None
    begin = command.index(_STREAMS) + 1 if name == _READ else 1
    count = (len(command) - begin) // (2 if name == _READ else 1)
    names = [str(word) for word in command[begin : begin + count]]
    places = _by_slot(names)
    if len(places) < 2:
        return None
    if name == _READ:
        after = command[begin + count :]
        parts: list[Words] = [
            (*command[:begin], *(names[each] for each in some), *(after[each] for each in some)) for some in places
        ]
        return SplitRead(parts, _concatenate)
    parts = [(name, *(names[each] for each in some)) for some in places]
    return SplitRead(parts, sum if name == "EXISTS" else _in_places(places, count))


def _by_slot(names: Sequence[str]) -> list[list[int]]:
    """Return the places of the keys of each slot."""
    found: dict[int, list[int]] = {}
    for place, name in enumerate(names):
        found.setdefault(slot_of_key(name), []).append(place)
    return list(found.values())


def _concatenate(answers: Sequence[Any]) -> Any:
    return [row for answer in answers for row in answer or ()] or None


def _in_places(places: Sequence[Sequence[int]], count: int) -> Callable[[Sequence[Any]], Any]:
    def join(answers: Sequence[Any]) -> Any:
        joined: list[Any] = [None] * count
        for some, answer in zip(places, answers, strict=True):
            for place, value in zip(some, answer, strict=True):
                joined[place] = value
        return joined

    return join
