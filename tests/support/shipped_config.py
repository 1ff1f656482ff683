"""The shipped configuration with all of its users at one venue, for tests that are not about venues."""

from __future__ import annotations

import shutil
from pathlib import Path


def all_at_kraken(folder: Path) -> Path:
    """Write it into a folder; answers its path."""
    config = folder / "config"
    shutil.copytree("config", config)
    bob = config / "users" / "bob.toml"
    bob.write_text(
        bob.read_text().replace('venues = ["coinbase"]', 'venues = ["kraken"]').replace("[follow]\nkraken", "# kraken")
    )
    return config
