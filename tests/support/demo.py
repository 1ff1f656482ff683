"""`make demo` as a process of a test: on free ports, in a process group of its own, ended by pid whatever the test did."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import redis

from tests.support.ports import free_port
from tests.support.processes import AT_ONCE, ROOT, wait_for


class Demo:
    """One demo on free ports, in a process group of its own as a terminal would make it."""

    def __init__(self, folder: Path, stdout: int | None = None, **settings: str) -> None:
        self.redis_port = free_port()
        self.environment = os.environ | {
            "REDIS_PORT": str(self.redis_port),
            "API_PORT": str(free_port()),
            "PAPER_PORT": str(free_port()),
            **AT_ONCE,
            **settings,
        }
        self._log = folder / "demo.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.demo"],
                cwd=ROOT,
                env=self.environment,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,
            )
        self.redis = redis.Redis(port=self.redis_port, decode_responses=True)

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def wait_for_line(self, text: str, seconds: float) -> None:
        """Wait until it has printed a text."""
        wait_for(
            lambda: text in self.log or self.process.poll() is not None, seconds, f"{text!r} in {self.log[-3000:]}"
        )
        assert text in self.log

    def ops(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run an ops command against it, as `make status` does."""
        environment = self.environment | {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "PAPER_URL": f"http://127.0.0.1:{self.environment['PAPER_PORT']}",
        }
        return subprocess.run(
            [sys.executable, "-m", "services.ops", *command],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def family(self) -> set[tuple[int, str]]:
        """Name the demo's process and all below it, by pid and the time of its start (so that a pid used again is another)."""
        parents = dict(all_processes())
        found = {self.process.pid}
        while more := {pid for pid, fields in parents.items() if int(fields[1]) in found} - found:
            found |= more
        return {(pid, parents[pid][19]) for pid in found if pid in parents}

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.redis.close()


def all_processes() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                stat = (folder / "stat").read_text()
                yield int(folder.name), stat.rpartition(") ")[2].split()


def alive(family: set[tuple[int, str]]) -> set[tuple[int, str]]:
    now = {(pid, fields[19]) for pid, fields in all_processes() if fields[0] != "Z"}
    return family & now
