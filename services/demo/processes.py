"""Child processes of one parent: their output on one screen, and none of them left behind.

Each child leads its own session, so Ctrl-C reaches the parent alone. The parent ends the children in order: the services first,
then their bases, Redis last. If the parent is killed, the kernel ends the children (on Linux with `setpriv`). Only processes
started here are ever signalled.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_PATIENCE: Final = 6.0
"""Seconds from SIGTERM to SIGKILL: longer than any service waits for its last call."""
_LONGEST_LINE: Final = 1 << 20
_LAST_LINES: Final = 2.0
"""Seconds to wait for the last output of ended processes."""
_DIES_WITH_ITS_PARENT: Final = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()


@dataclass(frozen=True, slots=True)
class Child:
    """A process and its name on the screen."""

    name: str
    process: Process
    base: bool
    """Whether other children depend on it, so that it ends after them."""


class Processes:
    """Starts children, forwards their output, and ends them all."""

    def __init__(self, show: Callable[[str, str], None]) -> None:
        """`show` is called with the name of a child and each line that it prints."""
        self._show = show
        self._children: list[Child] = []
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, base: bool = False
    ) -> Child:
        """Start a child that runs until the end."""
        process = await asyncio.create_subprocess_exec(
            *_DIES_WITH_ITS_PARENT,
            *command,
            env=environment,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            limit=_LONGEST_LINE,
            start_new_session=True,
        )
        child = Child(name, process, base)
        self._children.append(child)
        pump = asyncio.create_task(self._pump(child), name=f"lines of {name}")
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)
        return child

    async def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a child to its end and return its exit code."""
        child = await self.start(name, command, environment)
        code = await child.process.wait()
        self._children.remove(child)
        await asyncio.gather(*self._pumps_of(child))
        return code

    async def lines_of(self, child: Child) -> None:
        """Wait a short time until all output of an ended child has been forwarded."""
        if pumps := self._pumps_of(child):
            await asyncio.wait(pumps, timeout=_LAST_LINES)

    async def first_to_end(self) -> Child:
        """Wait until a child that should run until the end has ended; return it."""
        waiting = {asyncio.create_task(child.process.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return waiting[done.pop()]
        finally:
            for task in waiting:
                task.cancel()

    async def end_all(self) -> None:
        """End everything: the services together, then their bases, the last started first."""
        base = [child for child in self._children if child.base]
        await self._end([child for child in self._children if not child.base])
        for child in reversed(base):
            await self._end([child])
        if self._pumps:
            await asyncio.wait(self._pumps, timeout=_LAST_LINES)
        self._children.clear()

    def kill_all(self) -> None:
        """Kill all children at once."""
        for child in self._children:
            _signal(child, signal.SIGKILL)

    async def _end(self, children: Sequence[Child]) -> None:
        for child in children:
            _signal(child, signal.SIGTERM)
        ends = [asyncio.ensure_future(child.process.wait()) for child in children]
        if ends:
            await asyncio.wait(ends, timeout=_PATIENCE)
        for child in children:
            _signal(child, signal.SIGKILL)
        await asyncio.gather(*ends)

    async def _pump(self, child: Child) -> None:
        lines = child.process.stdout
        assert lines is not None  # noqa: S101  # PIPE above
        while True:
            try:
                line = await lines.readline()
            except ValueError:  # a line longer than the limit is dropped
                continue
            if not line:
                return
            self._show(child.name, line.decode(errors="replace").rstrip())

    def _pumps_of(self, child: Child) -> list[asyncio.Task[None]]:
        return [pump for pump in self._pumps if pump.get_name() == f"lines of {child.name}"]


def _signal(child: Child, number: signal.Signals) -> None:
    # Popen checks whether the child was reaped before it sends, so no other process can get the signal.
    if child.process.returncode is None:
        with suppress(ProcessLookupError):
            child.process.send_signal(number)
