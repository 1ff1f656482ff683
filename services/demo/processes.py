"""Child processes of one parent: their lines on one screen, and none of them left behind.

Each child leads its own session, so Ctrl-C reaches the parent alone, which then ends them in order: the services first, then
what they stand on, Redis at the very end. Should the parent be killed outright, the kernel ends them (on Linux, where there is
`setpriv`). Only processes started here are ever signalled.
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
"""Seconds from SIGTERM to SIGKILL: above the longest wait of a service for its own last call."""
_LONGEST_LINE: Final = 1 << 20
_LAST_LINES: Final = 2.0
"""Seconds to wait for what ended processes had still to say."""
_DIES_WITH_ITS_PARENT: Final = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()


@dataclass(frozen=True, slots=True)
class Child:
    """One process and its name on the screen."""

    name: str
    process: Process
    base: bool
    """Others stand on it, so it ends after them."""


class Processes:
    """Starts children, passes on what they print, and ends them all."""

    def __init__(self, show: Callable[[str, str], None]) -> None:
        """`show` is given the name of a child and each line that it printed."""
        self._show = show
        self._children: list[Child] = []
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, base: bool = False
    ) -> Child:
        """Start a child that is to run until the end."""
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
        """Run a child to its end and give its exit code."""
        child = await self.start(name, command, environment)
        code = await child.process.wait()
        self._children.remove(child)
        await asyncio.gather(*self._pumps_of(child))
        return code

    async def lines_of(self, child: Child) -> None:
        """Wait, not for long, until everything that an ended child printed has been passed on."""
        if pumps := self._pumps_of(child):
            await asyncio.wait(pumps, timeout=_LAST_LINES)

    async def first_to_end(self) -> Child:
        """Wait until one of those that are to run until the end has ended all the same."""
        waiting = {asyncio.create_task(child.process.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return waiting[done.pop()]
        finally:
            for task in waiting:
                task.cancel()

    async def end_all(self) -> None:
        """End everything: the services together, then what they stand on, the last started first."""
        base = [child for child in self._children if child.base]
        await self._end([child for child in self._children if not child.base])
        for child in reversed(base):
            await self._end([child])
        if self._pumps:
            await asyncio.wait(self._pumps, timeout=_LAST_LINES)
        self._children.clear()

    def kill_all(self) -> None:
        """End everything at once, unasked."""
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
            except ValueError:  # longer than the limit; what was read of it is gone
                continue
            if not line:
                return
            self._show(child.name, line.decode(errors="replace").rstrip())

    def _pumps_of(self, child: Child) -> list[asyncio.Task[None]]:
        return [pump for pump in self._pumps if pump.get_name() == f"lines of {child.name}"]


def _signal(child: Child, number: signal.Signals) -> None:
    # Popen looks whether the child has been reaped before it sends, so no other process can get the signal.
    if child.process.returncode is None:
        with suppress(ProcessLookupError):
            child.process.send_signal(number)
