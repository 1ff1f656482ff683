"""Says that Redis is gone.

Everything else that the notifier knows is in Redis, so this one message does not go through the outbox.
Only the notifier that sent messages when Redis went away says so, once per outage, and says when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.notifier.delivery.target import Target
from services.notifier.rules.incident import Level
from services.notifier.rules.quiet import moment
from services.notifier.rules.wording import Words, lasted, shorten

AFTER_MS: Final = 30_000
"""A restart or a fail-over of Redis takes seconds, and is no message."""
_EVERY: Final = 1.0
_FULL: Final = "OOM command not allowed"
_GROW: Final = "raise REDIS_MAXMEMORY and REDIS_MEMORY (by hand: CONFIG SET maxmemory)"
_AGAIN_MS: Final = 30_000
"""Between two attempts to reach a target."""

log = structlog.get_logger()


class OutageNotice:
    """Since when Redis is gone, if it is. `clock` returns epoch ms."""

    def __init__(
        self, targets: Sequence[Target], words: Words, clock: Callable[[], int], after_ms: int = AFTER_MS
    ) -> None:
        self._targets = targets
        self._words = words
        self._clock = clock
        self._after_ms = after_ms
        self._leads = True  # until Redis says which notifier does: an outage at the start must have its message too
        self._since: int | None = None
        self._reason = ""
        self._reached: set[str] = set()
        """Names of the targets that have the message."""
        self._tried_at = 0

    def lead(self, *, leads: bool) -> None:
        """Note that Redis answers, and whether this notifier is the one that sends."""
        self._leads = leads
        self._since = None

    def lost(self, reason: str) -> None:
        """Note that Redis does not answer."""
        if self._since is None:
            self._since = self._clock()
        self._reason = reason

    async def run(self) -> None:
        """Watch until cancelled."""
        began = 0
        while True:
            began = await self.step(began)
            await asyncio.sleep(_EVERY)

    async def step(self, began: int) -> int:
        """Send what is due. `began` is when the outage began of which targets were informed; return it for the next step."""
        now = self._clock()
        if self._since is None:
            if self._reached:
                await self._end(began, now)
            return 0
        if not self._leads or now - self._since < self._after_ms or now - self._tried_at < _AGAIN_MS:
            return self._since
        self._tried_at = now
        full = _FULL in self._reason
        title = self._words.title("Redis is full and refuses writes" if full else "Redis does not answer")
        since = moment(self._since, self._words.zone)
        body = (
            f"Nothing is copied, and no exit is sent (since {since}): {shorten(self._reason)}\n"
            f"What to do: {_GROW if full else 'look after Redis'}; every service goes on by itself when it is back"
        )
        await self._send(title, body, Level.FAILURE, [each for each in self._targets if each.name not in self._reached])
        return self._since

    async def _end(self, began: int, now: int) -> None:
        reached = [each for each in self._targets if each.name in self._reached]
        self._reached = set()
        self._tried_at = 0
        body = f"It was gone for {lasted(now - began)}. See: ops status; ops audit"
        await self._send(self._words.title("resolved: Redis answers again"), body, Level.SUCCESS, reached)
        self._reached = set()

    async def _send(self, title: str, body: str, level: Level, targets: Sequence[Target]) -> None:
        results = await asyncio.gather(*(each.send(title, body, level) for each in targets))
        for target, result in zip(targets, results, strict=True):
            if not result.reason or result.uncertain:
                self._reached.add(target.name)
            else:
                log.warning("a message could not be sent", target=target.label, reason=result.reason)
