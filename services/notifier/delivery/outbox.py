"""The messages on their way: kept in Redis until each target has confirmed them, or they are too old.

A send is recorded before it begins and when it has ended. If the end is not known (the process was killed, or the target hung),
the message is sent again and says so: a message that is lost is worse than one that comes twice.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from services.notifier.rules.incident import Message
from services.notifier.store import NoticeStore

MOST_MESSAGES: Final = 200
"""Messages that are kept; the oldest that is not critical makes room."""
KEPT_MS: Final = 24 * 3600 * 1000
"""After this a message that could not be sent is given up."""
_TRIES_IN_ORDER: Final = 5
"""A message that failed this often goes behind the others: perhaps the target refuses only this one."""
_GIVEN_UP: Final = "given_up"


class Outbox:
    """`targets` are the names of all targets: a message leaves when none of them waits for it."""

    def __init__(self, store: NoticeStore, targets: Collection[str]) -> None:
        self._store = store
        self._targets = tuple(targets)
        self._messages: dict[str, Message] = {}
        self._changed = asyncio.Event()
        self.given_up = 0
        """Messages that were given up since the last daily summary."""

    async def load(self, kept: Mapping[str, str], given_up: str = "") -> None:
        """Take over what an earlier notifier left; targets that are gone are left out. Raises LeaseLost, BusUnavailable."""
        self.given_up = int(given_up) if given_up.isdigit() else 0
        removed = {}
        for name, written in sorted(kept.items()):
            try:
                message = Message.read(written)
                message.waiting = {each: message.waiting[each] for each in self._targets if each in message.waiting}
            except (ValueError, TypeError, LookupError):
                removed[name] = ""  # of another version, or damaged
                continue
            if message.waiting:
                self._messages[name] = message
            else:
                removed[name] = ""
        await self._store.write(outbox=removed)
        self._changed.set()

    async def add(self, messages: Sequence[Message], notices: Mapping[str, str]) -> None:
        """Add messages together with the notices that they are about, in one step. Raises LeaseLost, BusUnavailable."""
        new = [
            replace(each, id=f"{each.created_at:013d}-{number:02d}-{secrets.token_hex(4)}", waiting=self._waiting())
            for number, each in enumerate(messages)
        ]
        dropped = self._make_room(len(new))
        fields = {each.id: each.text() for each in new} | {each.id: "" for each in dropped}
        counted = {_GIVEN_UP: str(self.given_up + len(dropped))} if dropped else {}
        await self._store.write(notices={**notices, **counted}, outbox=fields)
        for each in dropped:
            self._messages.pop(each.id, None)
        self.given_up += len(dropped)
        self._messages |= {each.id: each for each in new}
        if new:
            self._changed.set()

    def waiting_for(self, target: str) -> int:
        """Return how many messages wait for a target."""
        return sum(target in each.waiting for each in self._messages.values())

    def next_for(self, target: str) -> Message | None:
        """Return the next message for a target: in order, but for those that failed often."""
        waiting = [each for each in self._messages.values() if target in each.waiting]
        return min(waiting, key=lambda each: (each.waiting[target] >= _TRIES_IN_ORDER, each.id), default=None)

    async def wait_for_change(self) -> None:
        """Wait until a message was added."""
        await self._changed.wait()
        self._changed.clear()

    async def begin(self, message: Message, target: str) -> None:
        """Record that a send begins. Raises LeaseLost, BusUnavailable."""
        if target not in message.begun:
            message.begun.append(target)
        await self._write(message)

    async def confirm(self, message: Message, target: str) -> None:
        """Record that a target has the message. Raises LeaseLost, BusUnavailable."""
        message.waiting.pop(target, None)
        await self._ended(message, target)

    async def fail(self, message: Message, target: str, now: int, *, uncertain: bool) -> bool:
        """Record that a send has failed; return False if the message is given up. Raises LeaseLost, BusUnavailable."""
        message.waiting[target] += 1
        if now - message.created_at > KEPT_MS:
            message.waiting.pop(target)
            self.given_up += 1
            await self._store.write(notices={_GIVEN_UP: str(self.given_up)})
            await self._ended(message, target)
            return False
        if uncertain:
            await self._write(message)
        else:
            await self._ended(message, target)
        return True

    def forget_given_up(self) -> dict[str, str]:
        """Begin to count again; return the fields to write."""
        self.given_up = 0
        return {_GIVEN_UP: ""}

    async def _ended(self, message: Message, target: str) -> None:
        if target in message.begun:
            message.begun.remove(target)
        if not message.waiting:
            self._messages.pop(message.id, None)
        await self._write(message)

    async def _write(self, message: Message) -> None:
        await self._store.write(outbox={message.id: message.text() if message.waiting else ""})

    def _waiting(self) -> dict[str, int]:
        return dict.fromkeys(self._targets, 0)

    def _make_room(self, wanted: int) -> list[Message]:
        too_many = len(self._messages) + wanted - MOST_MESSAGES
        if too_many <= 0:
            return []
        idle = [each for each in self._messages.values() if not each.begun]
        return sorted(idle, key=lambda each: (each.critical, each.id))[:too_many]
