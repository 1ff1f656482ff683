"""The message path alone, by libraries that carry messages: from before the publishing to the handler in another process.

`python -m tests.bench.peers.messages LIBRARY PORT` is that other process. All of them use a Redis stream on the same server; none
of them knows of signals, nonces or exchanges.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import statistics
import sys
import time
from typing import Any, Final

from tests.bench.floors import PACE
from tests.support.processes import ROOT

LIBRARIES: Final = {"faststream": ("faststream",), "taskiq": ("taskiq", "taskiq_redis")}
"""By name, with the packages that each needs."""
_NAME: Final = "bench-messages"
_WARM: Final = 20
_END: Final = -1
_PATIENCE: Final = 60.0


def installed(library: str) -> bool:
    """Return whether a library is there; `make bench` installs them, `make setup` does not."""
    return all(importlib.util.find_spec(name) is not None for name in LIBRARIES[library])


def measure_messages(library: str, redis_port: int, samples: int) -> float:
    """Return the median in microseconds."""
    return asyncio.run(_measure(library, redis_port, samples))


async def _measure(library: str, port: int, samples: int) -> float:
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.peers.messages", library, str(port)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert worker.stdout is not None
    try:
        async with asyncio.timeout(_PATIENCE + samples * 0.05):
            await worker.stdout.readline()  # it says when it listens
            began = []
            async with _path(library).publisher(_url(port), _NAME) as publish:
                for number in range(samples + _WARM):
                    began.append(time.monotonic_ns())
                    await publish(number)
                    await asyncio.sleep(PACE)
                await publish(_END)
                woken = [int(word) for word in (await worker.stdout.readline()).split()]
        return statistics.median((end - start) / 1_000 for start, end in zip(began[_WARM:], woken[_WARM:], strict=True))
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()


def _path(library: str) -> Any:
    return importlib.import_module(f"tests.bench.peers.{library}_path")


def _url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


async def _work(library: str, port: int) -> None:
    instants: list[int] = []
    done = asyncio.Event()

    async def take(number: int) -> None:
        now = time.monotonic_ns()
        if number == _END:
            done.set()
        else:
            instants.append(now)

    kept = await _path(library).listen(_url(port), _NAME, take)
    print("listening", flush=True)  # noqa: T201  # the bench waits for it
    await done.wait()
    print(*instants, flush=True)  # noqa: T201  # the bench reads them
    await asyncio.sleep(60)  # until it is killed
    del kept


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], int(sys.argv[2])))
