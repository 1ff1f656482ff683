"""A peer that places orders, as the bench runs it: its own Redis with the same AOF setting, its own venue, the same checks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import redis

from tests.bench.accounts import Account
from tests.bench.peers.pool import STREAM
from tests.bench.peers.replaced import QUEUE, READY
from tests.bench.usage import family
from tests.support.processes import ROOT, wait_for
from tests.support.redis_server import RedisServer


@dataclass(frozen=True, slots=True)
class Kind:
    """One design: its name in the table, the module that is its process, and what that is told."""

    name: str
    module: str
    calls: int = 1
    threads: bool = False
    venue: str = "kraken"
    streamed: bool = False
    """Whether it takes signals from a stream; else from a list."""


class Peer:
    """One of them with its users; use it as a context."""

    def __init__(self, kind: Kind, folder: Path, venue_url: str, accounts: Sequence[Account]) -> None:
        self.accounts = accounts
        self._kind = kind
        self._redis = RedisServer(folder / "redis")
        self._told = {
            "url": venue_url,
            "folder": str(folder),
            "calls": kind.calls,
            "threads": kind.threads,
            "venue": kind.venue,
            "accounts": [(each.user, each.key, each.secret) for each in accounts],
        }
        self._log = folder / "peer.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._redis.start()
        self._client = redis.Redis(port=self._redis.port, decode_responses=True)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._kind.module],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
            )
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps({**self._told, "redis_port": self._redis.port}) + "\n")
        stdin.flush()
        due = str(len(self.accounts))
        try:
            wait_for(lambda: self._client.get(READY) == due, 60, f"{self._kind.name} is ready")
        except AssertionError as error:
            self.__exit__(None, None, None)
            raise RuntimeError(f"{error}; {self.logs()[-2000:]}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        self._client.close()
        self._redis.stop()

    def signal(self, *, entry: bool) -> tuple[str, int]:
        """Emit one signal where this design looks for it; all of them are buys."""
        del entry
        signal_id = str(uuid4())
        began = time.monotonic_ns()
        if self._kind.streamed:
            self._client.xadd(STREAM, {"id": signal_id})
        else:
            self._client.rpush(QUEUE, signal_id)
        return signal_id, began

    def unreported(self, reports: int) -> list[str]:
        """Nobody: these designs report nothing."""
        del reports
        return []

    def logs(self) -> str:
        """Return what its process has written."""
        return self._log.read_text()

    def pids(self) -> dict[str, list[int]]:
        """Return the processes whose CPU time counts, by name."""
        server = self._redis._process
        assert self._process is not None
        assert server is not None
        return {"peer": family(self._process.pid), "redis": [server.pid]}
