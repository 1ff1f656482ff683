"""Makes what was renamed or linked in a folder survive a crash of the machine: syncing the file alone does not."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Return once the folder's entries are on the disk. Raises OSError."""
    number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
