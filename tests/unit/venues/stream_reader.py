"""A reader that keeps what it hears, in order, and can be told to take its time with a comparison."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.venues.stream import FundsMoved, OrderSeen

Heard = tuple[str, Any]


@dataclass
class KeepingReader:
    """Implements `StreamReader`."""

    heard: list[Heard] = field(default_factory=list)
    gate: asyncio.Event | None = None
    """A comparison waits for it."""
    error: Exception | None = None
    """What the next comparison raises."""
    _waiters: list[asyncio.Event] = field(default_factory=list)

    async def resumed(self, why: str) -> None:
        """Keep it, at its begin and at its end."""
        self._keep("comparing", why)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self._keep("resumed", why)

    def order_seen(self, seen: OrderSeen) -> None:
        """Keep it."""
        self._keep("order", seen)

    def unclear(self, venue_order_id: str, why: str) -> None:
        """Keep it."""
        del why
        self._keep("unclear", venue_order_id)

    def funds_moved(self, moved: FundsMoved) -> None:
        """Keep it."""
        self._keep("funds", moved)

    def interrupted(self, why: str) -> None:
        """Keep it."""
        self._keep("interrupted", why)

    @property
    def kinds(self) -> list[str]:
        """Return what was heard, without its content; a comparison counts once, at its end."""
        return [kind for kind, _ in self.heard if kind != "comparing"]

    def all(self, kind: str) -> list[Any]:
        """Return the content of everything of a kind."""
        return [content for each, content in self.heard if each == kind]

    async def until(self, fits: Callable[[KeepingReader], bool]) -> None:
        """Wait until what was heard fits."""
        while not fits(self):
            woken = asyncio.Event()
            self._waiters.append(woken)
            await woken.wait()

    async def until_heard(self, kind: str, times: int = 1) -> Any:
        """Wait until something of a kind was heard so often; return the last of it."""
        await self.until(lambda reader: len(reader.all(kind)) >= times)
        return self.all(kind)[-1]

    def _keep(self, kind: str, content: Any) -> None:
        self.heard.append((kind, content))
        for each in self._waiters:
            each.set()
        self._waiters.clear()


async def free() -> None:
    """Permit every connect."""
