"""The way from an executor to Redis and to the venue: through forwarders, or from a network namespace of its own.

A forwarder stops passing bytes, which any user can do; a namespace loses its link, so that the kernel drops what is under way,
which needs root and `ip`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from tests.support.forwarder import Forwarder
from tests.support.processes import ROOT
from tests.support.stack import Stack

_KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR")


class End(StrEnum):
    """What an executor can be cut off."""

    REDIS = "redis"
    VENUE = "venue"


class Way(Protocol):
    """An executor's way to both ends. Use it as a context."""

    def __enter__(self) -> Self:
        """Make it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it, and end what was started behind it."""

    def start(self, more: Mapping[str, str]) -> int:
        """Start an executor whose way this is; return its pid."""

    def part(self, end: End) -> None:
        """Let nothing through to one end from now on; the other is not concerned."""

    def heal(self, end: End) -> None:
        """Let everything through again."""


class ForwarderWay:
    """A forwarder before each end."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._links = {End.REDIS: Forwarder(stack.redis.port), End.VENUE: Forwarder(stack.paper_port)}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for link in self._links.values():
            self._open.enter_context(link)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def start(self, more: Mapping[str, str]) -> int:
        """Start an executor whose way this is; return its pid."""
        through = _urls("127.0.0.1", self._links[End.REDIS].port, "127.0.0.1", self._links[End.VENUE].port)
        return self._stack.start("executor", "services.executor", **{**more, **through}).pid

    def part(self, end: End) -> None:
        """Let nothing through to one end from now on."""
        self._links[end].part()

    def heal(self, end: End) -> None:
        """Let everything through again, what has waited first."""
        self._links[end].heal()


class NamespaceWay:
    """A network namespace with a link of its own to each end."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._name = f"shoal-{secrets.token_hex(3)}"
        self._devices = {end: f"{self._name[6:]}{number}" for number, end in enumerate(End)}
        """Names of devices are short."""
        self._hosts = {end: f"10.213.{number + 1}.1" for number, end in enumerate(End)}
        self._links: dict[End, Forwarder] = {}
        self._open = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def possible() -> bool:
        """Return whether this user may make one here."""
        return os.geteuid() == 0 and shutil.which("ip") is not None

    def __enter__(self) -> Self:
        with ExitStack() as made:
            _ip("netns", "add", self._name)
            made.callback(_ip, "netns", "del", self._name)
            _ip("-n", self._name, "link", "set", "lo", "up")
            for end, device in self._devices.items():
                host, inside = self._hosts[end], f"{device}n"
                _ip("link", "add", device, "type", "veth", "peer", "name", inside, "netns", self._name)
                made.callback(_ip, "link", "del", device)
                _ip("addr", "add", f"{host}/24", "dev", device)
                _ip("link", "set", device, "up")
                _ip("-n", self._name, "addr", "add", f"{host[:-1]}2/24", "dev", inside)
                _ip("-n", self._name, "link", "set", inside, "up")
                target = self._stack.redis.port if end is End.REDIS else self._stack.paper_port
                self._links[end] = made.enter_context(Forwarder(target, host))
            made.callback(self._end_process)
            self._open = made.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def start(self, more: Mapping[str, str]) -> int:
        """Start an executor inside; return its pid."""
        redis, venue = self._links[End.REDIS], self._links[End.VENUE]
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        through = _urls(self._hosts[End.REDIS], redis.port, self._hosts[End.VENUE], venue.port)
        environment = kept | self._stack.environment() | dict(more) | through
        log: Path = self._stack.folder / "executor-apart.log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self._name, sys.executable, "-m", "services.executor"],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=file,
            )
        return self._process.pid  # `ip` becomes the program that it starts

    def part(self, end: End) -> None:
        """Take a link down."""
        _ip("link", "set", self._devices[end], "down")

    def heal(self, end: End) -> None:
        """Bring it up again."""
        _ip("link", "set", self._devices[end], "up")

    def _end_process(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait(10)


def _urls(redis_host: str, redis_port: int, venue_host: str, venue_port: int) -> dict[str, str]:
    return {
        "REDIS_URL": f"redis://{redis_host}:{redis_port}/0",
        "PAPER_URL": f"http://{venue_host}:{venue_port}",
    }


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
