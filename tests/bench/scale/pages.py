"""Measures pages and JSON endpoints of a real API process, each twice: with nothing kept from before, and again at once."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.scale.measured import Measured, cpu_seconds
from tests.bench.scale.redis_meter import RedisMeter
from tests.bench.scale.world import World, some
from tests.support.ports import free_port
from tests.support.processes import Service, wait_for

_TIMEOUT: Final = 300.0
_STALE: Final = 2.5
"""Seconds after which what the API keeps of the state is read again."""


def measure_pages(world: World, environment: Mapping[str, str], folder: Path, meter: RedisMeter) -> Iterator[Measured]:
    """Yield a measurement of each page."""
    port = free_port()
    settings = {**environment, "API_PORT": str(port), "API_SIGN_IN": "off"}
    api = Service("api", "services.api", settings, folder / "api.log")
    began = time.monotonic()
    api.start()
    try:
        wait_for(lambda: _answers(port), 60, "the API answers")
        yield Measured("(start of the API)", time.monotonic() - began, cpu_seconds(api.pid), 0.0, 0, 0, 0)
        yield _measure("/ (the first after the start)", "/", port, api.pid, meter)
        settle(world, port)
        yield Measured("(everything is added up)", time.monotonic() - began, cpu_seconds(api.pid), 0.0, 0, 0, 0)
        for path in _paths(world):
            time.sleep(_STALE)  # otherwise it would be answered from what the request before has read
            yield _measure(path, path, port, api.pid, meter)
        yield replace(_measure("/", "/", port, api.pid, meter), name="/ (again at once)")
        yield replace(_measure("/metrics", "/metrics", port, api.pid, meter), name="/metrics (again)")
        yield _idle(api.pid, meter)
    finally:
        api.stop()


def _paths(world: World) -> Iterator[str]:
    user, signal = some(world.users), world.history.signals[-1]
    yield from (
        "/",
        "/tape",
        "/users",
        f"/users?page={max(len(world.users) // 100, 1)}",
        "/users?q=123",
        "/users?state=parked",
    )
    yield from (f"/users/{user}", f"/users/{user}/equity", "/prices", "/price/BTC/USD", f"/price/BTC/USD?user={user}")
    yield from (f"/price/BTC/USD/series?venue=kraken&user={user}", "/operations", f"/tape/{signal.filled_at}-0")
    yield from (
        "/sign-in",
        "/healthz",
        "/readyz",
        "/status",
        "/metrics",
        "/signals",
        f"/signals/{signal.id}",
        "/openapi.json",
    )


def _measure(name: str, path: str, port: int, pid: int, meter: RedisMeter) -> Measured:
    before, cpu, began = meter.read(), cpu_seconds(pid), time.monotonic()
    code, size = _get(port, path)
    wall = time.monotonic() - began
    spent = cpu_seconds(pid) - cpu
    work = meter.read() - before
    return Measured(name, wall, spent, work.cpu, work.calls, size, code)


def _idle(pid: int, meter: RedisMeter, seconds: float = 20.0) -> Measured:
    before, cpu = meter.read(), cpu_seconds(pid)
    time.sleep(seconds)
    work = meter.read() - before
    return Measured(f"(idle for {seconds:.0f} s)", seconds, cpu_seconds(pid) - cpu, work.cpu, work.calls, 0, 0)


def settle(world: World, port: int) -> None:
    """Wait until the counter of outcomes has read what there was at the start."""
    expected = len(world.users) * len(world.history.signals)
    wait_for(lambda: _counted(port) >= expected, 600, "the API has counted all outcomes")
    time.sleep(_STALE)


def _counted(port: int) -> float:
    time.sleep(1)  # so that asking is no load
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("shoal_outcomes_total{"))


def _get(port: int, path: str) -> tuple[int, int]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": "text/html,*/*"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310  # our own port
            return answer.status, len(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, len(error.read())


def _answers(port: int) -> bool:
    try:
        return _get(port, "/healthz")[0] == 200
    except OSError:
        return False
