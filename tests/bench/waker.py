"""The process at the other end of the wake-up floor: `python -m tests.bench.waker PORT` waits in XREADGROUP, as an executor does.

It notes the instant at which it had each entry in hand and does nothing else until it is asked.
"""

from __future__ import annotations

import subprocess
import sys
import time
from types import TracebackType
from typing import Final, Self, cast

import redis

from tests.support.processes import ROOT, wait_for

STREAM: Final = "bench:wake"
_GROUP: Final = "waker"
_END: Final = "end"
_Rows = list[tuple[str, list[tuple[str, dict[str, str]]]]]


class Waker:
    """That process, seen from the bench; use it as a context."""

    def __init__(self, client: redis.Redis, port: int) -> None:
        self._client = client
        client.delete(STREAM)
        client.xgroup_create(STREAM, _GROUP, mkstream=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.waker", str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        wait_for(lambda: self._client.info("clients")["blocked_clients"], 20, "the waker waits")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(10)

    def woken(self, count: int) -> list[int]:
        """Have it tell its instants (monotonic ns)."""
        self._client.xadd(STREAM, {_END: "1"})
        told, _ = self._process.communicate(timeout=20)
        instants = [int(word) for word in told.split()]
        if len(instants) != count:
            raise ValueError(f"{len(instants)} wake-ups of {count}")
        return instants


def _wait_and_note(port: int) -> list[int]:
    client = redis.Redis(port=port, decode_responses=True, socket_timeout=60)
    instants: list[int] = []
    while True:
        rows = cast("_Rows", client.xreadgroup(_GROUP, "waker", {STREAM: ">"}, count=1, block=30_000))
        now = time.monotonic_ns()
        if not rows or _END in rows[0][1][0][1]:
            return instants
        instants.append(now)


if __name__ == "__main__":
    print(*_wait_and_note(int(sys.argv[1])))  # noqa: T201  # the bench reads them
