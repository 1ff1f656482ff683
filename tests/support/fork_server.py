"""A Python process that has imported Shoal already and forks itself for each `python -m` that a test asks for.

A test run starts several hundred services and commands; importing what they stand on was most of their CPU time. A fork has its
own pid, environment, arguments, files and end, and runs its module as `__main__`, as `python -m` does. What it does not prove is
that a fresh interpreter can import the module: `FORKED_STARTS=0` starts them so (`.ci/run` does), and the demos in `tests/e2e`
always are.

`python -m tests.support.fork_server FD` is the server: it takes requests from a socket and ends when that is closed.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Final

_PRELOADED: Final = (
    "services.paper_exchange.app",
    "services.executor.app",
    "services.copy_engine.app",
    "services.master_strategy.app",
    "services.api.app",
)
_MOST_FDS: Final = 4
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One process that is to be started."""

    module: str
    args: tuple[str, ...]
    environment: Mapping[str, str]

    def encode(self) -> bytes:
        """Return it as it is sent; stdin, stdout, stderr and the pipe for the exit status go with it, in this order."""
        return json.dumps([self.module, self.args, dict(self.environment)]).encode()

    @classmethod
    def decode(cls, text: bytes) -> Request:
        """Parse what `encode` made."""
        module, args, environment = json.loads(text)
        return cls(module, tuple(args), environment)


def preload() -> None:
    """Import what the services and commands import. One that cannot be imported fails where it is started, not here."""
    for name in _PRELOADED:
        with suppress(Exception):
            import_module(name)
    with suppress(Exception):
        import_module("services.ops.app").build()
    gc.collect()
    gc.freeze()  # so that the collector does not write to pages which forks share


def serve(link: socket.socket) -> Request:
    """Fork for every request until the socket is closed. Returns in the forks only; the server itself ends in here."""
    poll = select.poll()
    poll.register(link, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}  # by the process's descriptor: its id, and where its end is told
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the test run, and that ends this
    while True:
        for fd, _ in poll.poll():
            if fd != link.fileno():
                pid, told = running.pop(fd)
                poll.unregister(fd)
                os.write(told, os.waitpid(pid, 0)[1].to_bytes(4, "little"))
                os.close(told)
                os.close(fd)
                continue
            text, fds, _, _ = socket.recv_fds(link, _MOST_BYTES, _MOST_FDS)
            if not text:
                os._exit(0)
            pid = os.fork()
            if not pid:
                _take_over(fds[:3])
                return Request.decode(text)
            process = os.pidfd_open(pid)
            socket.send_fds(link, [str(pid).encode()], [process])
            poll.register(process, select.POLLIN)
            running[process] = pid, fds[3]
            for each in fds[:3]:
                os.close(each)


def _take_over(fds: list[int]) -> None:
    """Use these descriptors as stdin, stdout and stderr, and close everything that is the server's."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def run(request: Request) -> None:
    """Run a module as `python -m` does."""
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv[1:] = request.args
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    preload()
    server = socket.socket(fileno=int(sys.argv[1]))
    asked_for = serve(server)
    server.detach()
    run(asked_for)
