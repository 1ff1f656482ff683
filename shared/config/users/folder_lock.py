"""One writer at a time in the folder of the users' files: two commands at once must not undo each other's change.

A file is replaced in one step, so readers need no lock. But who reads a file, changes a line and writes it back would lose what
another process wrote meanwhile, or bring back the file of a user who was just removed. The lock is the folder's own (`flock`), so
it ends with its holder, and it also holds between containers that share the folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.users.loader import users_folder

PATIENCE: Final = 30.0
"""Seconds to wait for another writer: `ops user add --paper` waits for the paper exchange meanwhile."""
_POLL: Final = 0.05
_TAKEN: Final = frozenset({errno.EWOULDBLOCK, errno.EACCES})


@contextmanager
def only_writer(config: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of the users' folder of a configuration. Blocks for up to `patience` seconds.

    Raises ConfigurationError if another process keeps it for longer, or if there is no folder. A file system without locks is
    written to without one.
    """
    folder = users_folder(config)
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read: {error.strerror}") from None
    try:
        _take(number, folder, time.monotonic() + patience)
        yield
    finally:
        os.close(number)  # which releases the lock


def _take(number: int, folder: Path, end: float) -> None:
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _TAKEN:
                return
            if time.monotonic() >= end:
                raise ConfigurationError(f"{folder}: another command is changing users; try again") from None
            time.sleep(_POLL)  # a lock that is waited for without polling could not be given up after the patience
        else:
            return
