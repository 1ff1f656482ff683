"""Starts and ends every service: settings, logging, signals, exit codes. `__main__.py` calls this and nothing else.

A wrong setting leads to one line on stderr and exit code 2. SIGTERM and SIGINT cancel the service's main task, whose `finally`
blocks release leases and close connections; the exit code is 0. An unexpected failure is logged and the exit code is 1.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import uvloop

from shared.config.errors import ConfigurationError
from shared.config.settings import Settings, load_settings
from shared.runtime.gc_tuning import tune_gc_for
from shared.runtime.logging import configure_logging

_CANCEL_AGAIN: Final = 4.0
_LAST_RESORT: Final = 8.0
"""Seconds after the first signal; containers are killed after 15."""


def run_service(name: str, main: Callable[[Settings], Awaitable[None]]) -> None:
    """Run one service until a signal stops it; never returns."""
    try:
        settings = load_settings()
        configure_logging(name, settings.log_format)
        tune_gc_for(1)
        uvloop.run(_until_stopped(main(settings)))
    except ConfigurationError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201  # logging may not be up yet; a person reads this
        sys.exit(2)
    except Exception:  # noqa: BLE001  # the outermost handler of a process: log the reason, then end
        structlog.get_logger().exception("stopped by an unexpected failure")
        sys.exit(1)
    sys.exit(0)


async def _until_stopped(work: Awaitable[None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if stopped:
            return  # a second signal must not interrupt the release of leases
        stopped = True
        task.cancel()
        loop.call_later(_CANCEL_AGAIN, task.cancel)  # libraries have been seen to swallow a cancellation
        loop.call_later(_LAST_RESORT, _leave)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise


def _leave() -> None:
    """End the process like a crash: all parts are built to survive that."""
    structlog.get_logger().error("did not stop in time; leaving")
    os._exit(1)
