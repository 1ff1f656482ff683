"""The words by which the log names a cycle. Users' cycles are the executor's: `USER (position management only)`."""

from __future__ import annotations

from typing import Final

MASTER_MODE: Final = "MASTER (full strategy)"
MIRROR_ONLY_MODE: Final = "MASTER (mirror only)"
