"""Real processes for tests: started with the environment a person would set, logged to files, ended by pid."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.support import python_module
from tests.support.python_module import ForkedProcess

ROOT: Final = python_module.ROOT
_LEAST_PATIENCE: Final = 60.0
_LONGEST_PAUSE: Final = 1.0
_KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR")
AT_ONCE: Final = {"PAPER_LATENCY": "off"}
"""The paper exchange of tests and benches answers at once; the day's does not (`Stack(latency=True)`)."""


class Service:
    """One process of Shoal."""

    def __init__(
        self, name: str, module: str, environment: Mapping[str, str], log: Path, *args: str, root: Path = ROOT
    ) -> None:
        """`root` is the checkout whose code it runs. Without another word a paper exchange answers at once."""
        self.name = name
        self.log_path = log
        self._module = module
        self._root = root
        self._args = args
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environment = kept | AT_ONCE | dict(environment)
        self._process: ForkedProcess | subprocess.Popen[bytes] | None = None

    def start(self) -> Service:
        """Start it; its output is appended to its log."""
        with self.log_path.open("ab") as log:
            self._process = python_module.start(
                self._module, self._args, self._environment, stdout=log, stderr=log, root=self._root
            )
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """End it in order; answers its exit code."""
        return self._end(signal.SIGTERM)

    def wait(self, seconds: float) -> int:
        """Wait until it ends by itself; answers its exit code."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.wait(seconds)

    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def _end(self, number: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)
                raise AssertionError(f"{self.name} did not end on signal {number}: {self.log()[-2000:]}") from None
        return process.returncode


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Ask until something holds; fails with `what` after so many seconds. Processes tell nothing else to wait on.

    It waits for a minute at least: a busy machine makes a test slow, and never red.
    """
    seconds = max(seconds, _LEAST_PATIENCE)
    if not comes_true(condition, seconds):
        raise AssertionError(f"not within {seconds} s: {what}")


def comes_true(condition: Callable[[], object], seconds: float, *, pause: float = 0.05) -> bool:
    """Ask until something holds; answers whether it came to that.

    After an answer that took long it pauses longer: a command that is run until it says something else takes a quarter of a core.
    """
    end = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if condition():
            return True
        answered = time.monotonic()
        if answered > end:
            return False
        time.sleep(max(pause, min(_LONGEST_PAUSE, 3 * (answered - asked))))
