"""A Redis that is there and refuses: busy with somebody's script, without a right it had, or demoted to a replica for a while.

Each lasts a few seconds and is then put right, as an operator or a fail-over would. None of them loses data.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Final

import redis

_BUSY_AFTER_MS: Final = 100
"""From when on a server that runs a script answers others at all: with BUSY."""
_FORBIDDEN: Final = ("xreadgroup", "evalsha", "xadd", "hgetall")
_NO_PRIMARY: Final = ("127.0.0.1", "1")
"""Where nobody listens: a replica of it keeps its data and refuses writes."""


class Refusal(StrEnum):
    """How Redis refuses."""

    BUSY = "busy"
    NOPERM = "noperm"
    READONLY = "readonly"


class Refusals:
    """Has one server refuse, and ends that. `which` picks the command that NOPERM forbids."""

    def __init__(self, port: Callable[[], int], *, alone: bool = True) -> None:
        """`port` returns that of the server. One that is not `alone` is never demoted: others would take that for a fail-over."""
        self._find_port = port
        self._alone = alone
        self._port = 0
        self._standing: tuple[Refusal, str] | None = None
        self._script: threading.Thread | None = None
        self.count = 0

    @property
    def standing(self) -> bool:
        """Whether the server refuses just now."""
        return self._standing is not None

    def begin(self, kind: Refusal, which: int) -> str:
        """Have the server refuse; answers what it does. One at a time, and nothing if the server is away."""
        command = _FORBIDDEN[which % len(_FORBIDDEN)]
        if kind is Refusal.READONLY and not self._alone:
            kind = Refusal.NOPERM
        try:
            self._port = self._find_port()
            with self._client() as client:
                if kind is Refusal.BUSY:
                    client.config_set("busy-reply-threshold", _BUSY_AFTER_MS)
                    self._script = threading.Thread(target=self._loop, daemon=True)
                    self._script.start()
                elif kind is Refusal.NOPERM:
                    client.execute_command("ACL", "SETUSER", "default", f"-{command}")
                else:
                    client.execute_command("REPLICAOF", *_NO_PRIMARY)
        except (redis.RedisError, AssertionError):  # it is away, or nothing serves its slots
            return ""
        self._standing = (kind, command)
        self.count += 1
        return f"{kind} {command}" if kind is Refusal.NOPERM else kind

    def end(self) -> None:
        """Put it right again. A server that was killed meanwhile has forgotten it by itself."""
        if self._standing is None:
            return
        (kind, command), self._standing = self._standing, None
        with suppress(redis.RedisError), self._client() as client:
            if kind is Refusal.BUSY:
                client.execute_command("SCRIPT", "KILL")
            elif kind is Refusal.NOPERM:
                client.execute_command("ACL", "SETUSER", "default", f"+{command}")
            else:
                client.execute_command("REPLICAOF", "NO", "ONE")
        if self._script is not None:
            self._script.join(10)
            self._script = None

    def _loop(self) -> None:
        with suppress(redis.RedisError), self._client(timeout=60) as client:
            client.execute_command("EVAL", "while true do end", 0)

    def _client(self, timeout: float = 5) -> redis.Redis:
        return redis.Redis(port=self._port, socket_timeout=timeout, decode_responses=True)
