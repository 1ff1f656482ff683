"""Opens the settings of users for a command: files, which can be changed while Redis is down, or records in Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from services.ops.operator import operator_name
from services.ops.runner import run_with_bus
from shared.bus.connection import Bus
from shared.bus.users.settings_source import user_source
from shared.bus.users.user_settings import Author
from shared.config.settings import ConfigSource, Settings, load_settings
from shared.config.users.loader import Users
from shared.config.users.user_files import UserFiles
from shared.operations.settings.file_store import FileStore
from shared.operations.settings.user_store import UserStore, open_store

T = TypeVar("T")


def store_of(settings: Settings, bus: Bus) -> UserStore:
    """Return where the settings of users are written."""
    return open_store(settings.shoal_config_source, bus, settings.shoal_config)


def run_with_store(work: Callable[[Settings, UserStore], Awaitable[T]], config: Path | None = None) -> T:
    """Run a command's work with the settings of users; connects to Redis only if they are there.

    `config` is the folder of the files, where that is not the one of the environment.

    Raises ConfigurationError, ActionRefused, BusError.
    """
    settings = load_settings()
    if settings.shoal_config_source is ConfigSource.REDIS:
        return run_with_bus(lambda settings, bus: work(settings, store_of(settings, bus)))

    async def inside() -> T:
        return await work(settings, FileStore(config or settings.shoal_config))

    return asyncio.run(inside())


async def load_all(settings: Settings, bus: Bus) -> Users:
    """Return all users with settings. Raises ConfigurationError if they cannot be listed."""
    files = UserFiles(settings.shoal_config, user_source(settings, bus))
    await files.source.refresh()
    return files.load()


def by_operator(why: str = "") -> Author:
    """Return the operator as the author of a change now."""
    return Author(operator_name(), time.time_ns() // 1_000_000, why)
