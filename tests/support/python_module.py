"""Starts `python -m <module>`: a fork of a server that has imported Shoal already where that is wanted, else a fresh interpreter.

Only the test run itself wants it (`tests/conftest.py` sets the variable): `make chaos`, `make day` and `make bench` start what a
person starts.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from tests.support.fork_server import Request
from tests.support.host_clock import HostClock, without_file

ROOT: Final = Path(__file__).resolve().parents[2]
FORKED_STARTS: Final = "FORKED_STARTS"
"""The variable: "1" where processes may be forks."""
_FRESH: Final = ("LD_", "DYLD_", "PYTHON", "MALLOC_")
"""What begins with these is for the loader or the interpreter, at its start: a fork comes too late for it."""


class ForkedProcess:
    """A process that the server forked; the part of `Popen` that is needed."""

    def __init__(self, pid: int, process: int, told: int) -> None:
        """`process` is its pidfd, `told` is the pipe through which its end comes."""
        self.pid = pid
        self.returncode: int | None = None
        self._process = process
        self._told = told

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code (minus the signal that killed it). Raises TimeoutExpired."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._process, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._told, select.POLLIN)
            if not poll.poll(None if seconds is None else seconds * 1000):
                return None
            status = os.read(self._told, 4)
            if not status:
                raise RuntimeError("the fork server has ended")
            self.returncode = os.waitstatus_to_exitcode(int.from_bytes(status, "little"))
            os.close(self._told)
            os.close(self._process)
        return self.returncode

    def __del__(self) -> None:
        """Let go of the descriptors of one that nobody waited for."""
        if self.returncode is None:
            os.close(self._told)
            os.close(self._process)


class ForkServer:
    """The server's other end."""

    def __init__(self, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        """`environment`: what the server is started with beside this process's own."""
        self._lock = threading.Lock()
        self._link, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(other.fileno())],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )

    def start(self, request: Request, stdin: int, stdout: int, stderr: int) -> ForkedProcess:
        """Fork a process. Raises RuntimeError if the server has ended."""
        told, tell = os.pipe()
        with self._lock:
            try:
                socket.send_fds(self._link, [request.encode()], [stdin, stdout, stderr, tell])
            finally:
                os.close(tell)
            pid, fds, _, _ = socket.recv_fds(self._link, 64, 1)
        if not pid:
            raise RuntimeError("the fork server has ended")
        return ForkedProcess(int(pid), fds[0], told)

    def stop(self) -> None:
        """End it. What it forked goes on."""
        self._link.close()
        self._server.wait(30)


_servers: Final[dict[frozenset[tuple[str, str]], ForkServer]] = {}
"""By what they were started with: a library that gives processes another clock is loaded at the start or never."""
_lock: Final = threading.Lock()


def _server(environment: Mapping[str, str]) -> ForkServer:
    kind = without_file(environment)
    with _lock:
        if not _servers:
            atexit.register(_stop_servers)
        key = frozenset(kind.items())
        if key not in _servers:
            _servers[key] = ForkServer(kind)
        return _servers[key]


def _stop_servers() -> None:
    for server in _servers.values():
        server.stop()
    HostClock.tidy()


def start(
    module: str,
    args: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes],
    stderr: IO[bytes],
    root: Path = ROOT,
) -> ForkedProcess | subprocess.Popen[bytes]:
    """Start a module with exactly this environment in the checkout at `root`; without `stdin` it reads nothing."""
    if may_fork(environment, root):
        with Path(os.devnull).open("rb") as nothing:
            fds = [(each or nothing).fileno() for each in (stdin, stdout, stderr)]
            return _server(environment).start(Request(module, tuple(args), environment), *fds)
    return subprocess.Popen(
        [sys.executable, "-m", module, *args],
        cwd=root,
        env=environment,
        stdin=stdin or subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )


def may_fork(environment: Mapping[str, str], root: Path = ROOT) -> bool:
    """Return whether a fork is as good as a fresh interpreter for this."""
    wanted = os.environ.get(FORKED_STARTS) == "1" and hasattr(os, "pidfd_open")
    served = without_file(environment)
    return wanted and root == ROOT and all(name in served for name in environment if name.startswith(_FRESH))


def run(
    module: str, args: Sequence[str], environment: Mapping[str, str], *, typed: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a module to its end; `typed` is what it reads. Raises TimeoutExpired, and kills it, after so many seconds."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stdin.write(typed.encode())
        stdin.seek(0)
        process = start(module, args, environment, stdin=stdin, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait(30)
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess([module, *args], code, out.read().decode(), err.read().decode())
