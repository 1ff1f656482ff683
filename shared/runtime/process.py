"""How every service starts and ends: settings, logging, signals, exit codes. `__main__.py` calls this and nothing else.

A wrong setting gives one line on stderr and exit code 2. SIGTERM and SIGINT cancel the service's main task, which then has its
`finally` blocks to hand back leases and close connections; the exit code is 0. Anything unexpected is logged and gives 1.
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

_ASK_AGAIN: Final = 4.0
_LAST_RESORT: Final = 8.0
"""Seconds after the first signal; containers are given 15 before they are killed."""


def run_service(name: str, main: Callable[[Settings], Awaitable[None]]) -> None:
    """Run one service until it is told to stop; never returns."""
    try:
        settings = load_settings()
        configure_logging(name, settings.log_format)
        tune_gc_for(1)
        uvloop.run(_until_stopped(main(settings)))
    except ConfigurationError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201  # logging may not be up yet; a person reads this
        sys.exit(2)
    except Exception:  # noqa: BLE001  # the last line of defence of a process: say why it ended, then end
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
            return  # a second signal must not cut short the handing back of leases
        stopped = True
        task.cancel()
        loop.call_later(_ASK_AGAIN, task.cancel)  # libraries have been seen to swallow a cancellation
        loop.call_later(_LAST_RESORT, _leave)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise


def _leave() -> None:
    """End the process as a crash would: everything is built to survive that."""
    structlog.get_logger().error("did not stop in time; leaving")
    os._exit(1)
