"""Runs a strategy that is not shipped in a process of its own, which is ended when it takes too long.

The process gets neither keys nor the address of Redis. It is started with the first decision, and again when the strategy's files
have changed after a failure.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from services.master_strategy.plugins.needs import Needs
from services.master_strategy.plugins.pauses import Pause
from services.master_strategy.plugins.wire import (
    LENGTH_BYTES,
    LONGEST,
    BadReplyError,
    Hello,
    describe_context,
    describe_hello,
    pack,
    read_intents,
    read_reply,
)
from shared.config.strategy_choice import STRATEGY_FILE
from shared.strategies.own_class.class_import import FOLDER
from shared.strategies.port import Context, Intent
from shared.strategies.slot import StrategySlot

_WORKER: Final = "services.master_strategy.plugins.worker"
_ROOT: Final = str(Path(__file__).resolve().parents[3])
_START: Final = 30.0
"""Seconds for the start of a process, on a busy machine, with the imports of the strategy."""
_READING: Final = 15.0
"""Seconds until the process has read a context; only then the time of the strategy begins, however busy the machine is."""
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ")
"""The variables of this process that the strategy's may know: no other, since keys and the address of Redis are among them."""

_Files = tuple[tuple[str, int, int], ...]


class WorkerRunner:
    """Runs one strategy; `budget` is seconds for a decision."""

    def __init__(self, slot: StrategySlot, pause: Pause, *, config: Path | None, budget: float) -> None:
        self.needs = Needs.of(slot.build())
        self.pause = pause
        self._budget = budget
        self._hello = Hello(str(config or ""), slot.kind.spelt, slot.written, budget)
        self._config = config
        self._process: Process | None = None
        self._files: _Files = ()
        """The strategy's files as of its last start."""

    async def decide(self, context: Context) -> Sequence[Intent] | None:
        """Return its intents; None if it is paused."""
        if self.pause.reason:
            if self._files == self._look_at_files():
                return None
            self.pause.end()
        try:
            if self._process is None:
                await self._start()
            await self._ask(describe_context(context), _READING)
            return read_intents(await self._reply(self._budget))
        except BadReplyError as failure:
            self.pause.begin(str(failure))
        except TimeoutError:
            self.pause.begin(
                f"it took longer than {self._budget:g} s for a decision (budget_seconds in {STRATEGY_FILE} permits more)"
            )
        await self.close()
        return None

    async def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())

    async def _start(self) -> None:
        self._files = self._look_at_files()
        kept = {name: value for name in _PASSED_ON if (value := os.environ.get(name)) is not None}
        path = os.pathsep.join(filter(None, (_ROOT, kept.get("PYTHONPATH"))))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _WORKER,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            said = await self._ask(describe_hello(self._hello), _START)
        except TimeoutError:
            raise BadReplyError(f"it took longer than {_START:g} s to start") from None
        self.needs = Needs(int(said["needs"]), int(said["needs_held"]))

    async def _ask(self, message: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        """Send a message and return the reply to it. Raises TimeoutError, BadReplyError."""
        process = self._process
        if process is None or process.stdin is None:
            raise BadReplyError("its process has no pipes")
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):  # it has ended, which the reply will say
                process.stdin.write(pack(message))
                await process.stdin.drain()
        return await self._reply(seconds)

    async def _reply(self, seconds: float) -> Mapping[str, Any]:
        """Return the next reply. Raises TimeoutError, BadReplyError."""
        process = self._process
        if process is None or process.stdout is None:
            raise BadReplyError("its process has no pipes")
        async with asyncio.timeout(seconds):
            try:
                length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
                if length > LONGEST:
                    raise BadReplyError(f"its reply has {length} bytes")
                return read_reply(await process.stdout.readexactly(length))
            except (asyncio.IncompleteReadError, ConnectionError):
                raise BadReplyError(f"its process ended by itself (status {await process.wait()})") from None

    def _look_at_files(self) -> _Files:
        """Return the strategy's files with sizes and times: those of the folder, or the module's own elsewhere."""
        folder = None if self._config is None else self._config / FOLDER
        files = sorted(folder.glob("**/*.py")) if folder is not None and folder.is_dir() else []
        with suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(self._hello.spelt.partition(":")[0])
            if spec is not None and spec.origin is not None:
                files.append(Path(spec.origin))
        found = []
        for file in dict.fromkeys(files):
            with suppress(OSError):
                stat = file.stat()
                found.append((str(file), stat.st_mtime_ns, stat.st_size))
        return tuple(found)
