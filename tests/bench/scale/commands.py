"""Measures the commands of `ops` that read, each as a person starts it: a process of its own, imports included."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from shared.contracts import keys
from tests.bench.scale.measured import Measured
from tests.bench.scale.pages import settle
from tests.bench.scale.redis_meter import RedisMeter
from tests.bench.scale.world import World, some
from tests.support.ports import free_port
from tests.support.processes import ROOT, Service, wait_for

_TIMEOUT: Final = 600.0


def measure_commands(
    world: World, environment: Mapping[str, str], folder: Path, meter: RedisMeter
) -> Iterator[Measured]:
    """Yield a measurement of each command while an api runs, as in production, and of `status` while none does.

    What the api does in the background meanwhile is in Redis' part of each.
    """
    meter.remove(keys.USER_STATES)  # what an api has stored that ran before
    for alone in (("status",), ("status", "--json")):
        yield replace(_measure(alone, environment, meter), name=f"ops {' '.join(alone)} (no api runs)")
    port = free_port()
    settings = {**environment, "API_PORT": str(port), "API_SIGN_IN": "off"}
    api = Service("api", "services.api", settings, folder / "api-beside.log")
    api.start()
    try:
        wait_for(lambda: meter.field(keys.USER_STATES, ":read"), _TIMEOUT, "the api has read all users")
        settle(world, port)
        for arguments in _commands(world):
            yield _measure(arguments, environment, meter)
    finally:
        api.stop()


def _commands(world: World) -> Iterator[tuple[str, ...]]:
    user = some(world.users)
    yield ("--help",)
    yield ("health", "copy-engine")
    for name in (
        "status",
        "why",
        "positions",
        "pnl",
        "orders",
        "drift",
        "stopouts",
        "unknown",
        "stages",
        "streams",
        "log",
    ):
        yield (name,)
        if name not in {"status", "streams"}:
            yield (name, "--user", user)
    yield ("watch", "--count", "1")
    yield ("watch", "--count", "1", "--user", user)
    yield ("track", user)
    yield ("user", "list")
    yield ("master",)
    yield ("resting",)
    yield ("dead", "list")
    yield ("control",)
    yield ("statement", "--user", user)
    yield ("status", "--json")
    yield ("status", "--json", "--page", "1")
    yield ("status", "--state", "parked")
    yield ("orders", "--json")
    yield ("audit", "--no-venue")


def _measure(arguments: tuple[str, ...], environment: Mapping[str, str], meter: RedisMeter) -> Measured:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    before, used, began = meter.read(), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "services.ops", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT,
        check=False,
    )
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    work = meter.read() - before
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    if ran.returncode > 1:
        sys.stderr.write(ran.stderr.decode()[-400:])
    return Measured(f"ops {' '.join(arguments)}", wall, cpu, work.cpu, work.calls, len(ran.stdout), ran.returncode)
