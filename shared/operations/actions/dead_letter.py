"""Retrying or dropping a dead letter, with what it means for the one order or signal that it is."""

from __future__ import annotations

import re
from typing import Final

from shared.contracts import keys
from shared.operations.actions.dead_letters import DeadLetter, drop_on_record, find_dead_letter, put_back
from shared.operations.actions.port import Ground
from shared.operations.consequence import Consequence
from shared.operations.control_log import Change, write_change
from shared.operations.errors import ActionRefused, UnknownTarget
from shared.operations.request import Action, ActionRequest

# What a person may name, before it becomes part of a key: the form of every stream in `keys`, not one of them.
_STREAM: Final = re.compile(r"shoal:[a-z_]{1,32}(?::\{[a-z0-9_-]{1,32}\})?")
_ENTRY: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_SHOWN: Final = ("user", "venue", "symbol", "side", "kind", "decision", "base_size", "fraction", "limit_price")


class DeadLetterActions:
    """The actions `retry` and `drop`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def foresee(self, request: ActionRequest) -> Consequence:
        """Return what becomes of the entry. Raises UnknownTarget if there is no such dead letter, BusUnavailable."""
        letter = await self._find(request)
        what = f"entry {letter.entry_id} of {letter.stream}"
        details = tuple(f"{name}: {letter.fields[name]}" for name in _SHOWN if letter.fields.get(name))
        reason = letter.newest.fields.get("reason", "")
        notes = [f"why it could not be read: {reason}"] if reason else []
        if request.action is Action.DROP:
            text = f"drops {what} for good: nothing is traded for it, and it counts as failed"
        else:
            text = f"puts {what} back: it is read again within half a minute, and {_after(letter)}"
            if letter.unreadable:
                notes.append(f"it is still unreadable and becomes a dead letter again: {letter.unreadable}")
        facts = [letter.stream, letter.entry_id, list(letter.ids), letter.unreadable]
        return Consequence(f"{letter.stream} {letter.entry_id}", text, details, tuple(notes), facts=facts)

    async def perform(self, request: ActionRequest, change: Change) -> str:
        """Put it back or drop it. Raises ActionRefused if that is not possible."""
        letter = await self._find(request)
        if request.action is Action.DROP:
            if why := await drop_on_record(self._ground.bus, letter, change.by, change.at, change.reason):
                raise ActionRefused(why)
            done = change.effect
        else:
            new = await put_back(self._ground.bus, letter)
            if new is None:
                raise ActionRefused(
                    f"entry {letter.entry_id} is no longer in {letter.stream}: it was put back before, or trimmed; "
                    "drop removes the dead letter"
                )
            done = f"{change.effect} (put back as {new})"
        await write_change(self._ground.bus, change)
        return done

    async def _find(self, request: ActionRequest) -> DeadLetter:
        if not _STREAM.fullmatch(request.stream) or not _ENTRY.fullmatch(request.entry):
            raise ActionRefused(
                "name the stream, such as shoal:orders:{alice}, and the entry's id, such as 1700000000000-0"
            )
        letter = await find_dead_letter(self._ground.bus, request.stream, request.entry)
        if letter is None:
            raise UnknownTarget(f"there is no dead letter {request.entry} of {request.stream}")
        return letter


def _after(letter: DeadLetter) -> str:
    if letter.stream == keys.SIGNALS:
        return "each user's copy is decided again, unless it was decided before; late entries expire, exits never do"
    return "traded if it still may be: a late entry expires, an exit never does"
