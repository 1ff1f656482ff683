"""One command's connection: settings, bus, and what becomes of failures that a person can put right.

A wrong setting or a Redis that is down gives one line on stderr and exit code 2.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError, BusRefused
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings, load_settings

T = TypeVar("T")


def run_with_bus(work: Callable[[Settings, Bus], Awaitable[T]]) -> T:
    """Run a command's work with a bus. Raises ConfigurationError, BusError."""
    settings = load_settings()

    async def inside() -> T:
        async with open_bus(settings.redis_url, "ops") as bus:
            return await work(settings, bus)

    return asyncio.run(inside())


def run_command(command: Callable[[], object]) -> None:
    """Run a whole command; end the process with one line and exit code 2 where a person has to put something right."""
    try:
        command()
    except (ConfigurationError, BusError) as error:
        refuse(f"Redis refuses it: {error}" if isinstance(error, BusRefused) else str(error))


def refuse(text: str) -> NoReturn:
    """End with one line on stderr and exit code 2."""
    print(f"ops: {text}", file=sys.stderr)
    sys.exit(2)
