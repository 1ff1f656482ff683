"""The files that the README has a newcomer write: its code blocks that begin with a comment naming a file of `config/`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.python_module import ROOT

_BLOCK: Final = re.compile(r"^```(?:python|toml)\n# (config/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def readme_files() -> Mapping[str, str]:
    """Return the text of each file by its path, as `config/strategy.toml`; the comment with the path is not in it."""
    found = _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return dict(found)


def config_of_the_readme(folder: Path) -> Path:
    """Copy the shipped configuration into a folder, and write the README's strategy into it; return its path."""
    config = folder / "config"
    shutil.copytree(ROOT / "config", config, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in readme_files().items():
        if path.startswith(("config/strategies/", "config/strategy.toml")):
            (folder / path).write_text(text, encoding="utf-8")
    return config
