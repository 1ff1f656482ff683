"""Run one command: load the settings, open the bus, and report failures that the operator can fix.

A wrong setting or an unreachable Redis gives one line on stderr and exit code 2.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeVar

from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError, BusRefused
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings, load_settings
from shared.operations.errors import ActionRefused
from shared.runtime.gc_tuning import tune_gc_for

_USERS: Final = 10_000
"""A command is over before it has made garbage that is worth collecting, also with so many users."""

T = TypeVar("T")


def run_with_bus(work: Callable[[Settings, Bus], Awaitable[T]]) -> T:
    """Run a command's work with settings and a bus. Raises ConfigurationError, BusError."""
    settings = load_settings()
    tune_gc_for(_USERS)

    # Not returned by the coroutine: asyncio formats the result of its main task when it restores the signal handler, which took
    # half a second for the status of 10,000 users.
    found: list[T] = []

    async def inside() -> None:
        async with open_bus(settings.redis_url, "ops") as bus:
            found.append(await work(settings, bus))

    asyncio.run(inside())
    return found[0]


def run_command(command: Callable[[], object]) -> None:
    """Run a command; exit with one line and code 2 on a failure that the operator has to fix."""
    try:
        command()
    except (ConfigurationError, BusError, ActionRefused) as error:
        refuse(f"Redis refuses it: {error}" if isinstance(error, BusRefused) else str(error))


def refuse(text: str) -> NoReturn:
    """Exit with one line on stderr and code 2."""
    print(f"ops: {text}", file=sys.stderr)
    sys.exit(2)
