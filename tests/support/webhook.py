"""A webhook on this machine, as apprise's `json://` calls it: it records what arrives, and can refuse or hang."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

TOKEN: Final = "Zq8TOKENzq8xyz"
"""The secret in its address."""
_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Received:
    """One message that arrived, and whether it was taken."""

    title: str
    body: str
    at: float
    taken: bool


@dataclass(slots=True)
class Webhook:
    """`status` is what it answers; while `open` is not set it takes a message and answers nothing."""

    port: int = 0
    status: int = 200
    received: list[Received] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Return its address for apprise."""
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    @property
    def taken(self) -> list[Received]:
        """Return the messages that it has confirmed."""
        return [each for each in self.received if each.taken]

    @property
    def titles(self) -> list[str]:
        """Return the titles of the messages that it has confirmed."""
        return [each.title for each in self.taken]


@asynccontextmanager
async def webhook(port: int = 0, known: Webhook | None = None) -> AsyncIterator[Webhook]:
    """Serve it; `known` is one that was down and comes back at its port."""
    state = known or Webhook()
    state.open.set()

    async def take(request: web.Request) -> web.Response:
        fields = await request.json()
        status = state.status
        taken = status < 300 and state.open.is_set()
        state.received.append(Received(fields["title"], fields["message"], asyncio.get_running_loop().time(), taken))
        await state.open.wait()
        return web.Response(status=status)

    app = web.Application()
    app.add_routes([web.post(f"/{TOKEN}", take)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    state.port = runner.addresses[0][1]
    try:
        yield state
    finally:
        state.open.set()
        await runner.cleanup()


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until something holds; fails with `what` after a minute, so that a busy machine makes no test red."""
    end = asyncio.get_running_loop().time() + _PATIENCE
    while not condition():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"not within {_PATIENCE} s: {what}")
        await asyncio.sleep(0.02)


@contextmanager
def webhook_in_background() -> Iterator[Webhook]:
    """Serve it from a thread of its own, for a test that drives processes and so waits without a loop."""
    found: queue.Queue[tuple[Webhook, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        done = asyncio.Event()
        async with webhook() as state:
            found.put((state, asyncio.get_running_loop(), done))
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="webhook")
    thread.start()
    state, loop, done = found.get(timeout=_PATIENCE)
    try:
        yield state
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(_PATIENCE)
