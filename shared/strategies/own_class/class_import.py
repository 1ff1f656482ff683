"""Imports a class by `package.module:Class`, from `config/strategies/` or from installed packages.

Every failure is one sentence that says what is there instead. Nothing is left in the folder: a person edits it.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Final

from shared.config.venue.refusal import nearest
from shared.strategies.own_class.errors import UnusableStrategyError
from shared.strategies.own_class.failure import describe_failure

FOLDER: Final = "strategies"
"""Where the strategies of a configuration folder are: `config/strategies/`."""


def import_class(spelt: str, config: Path | None) -> type:
    """Return the class; the folder of `config` is importable from then on. Raises UnusableStrategyError."""
    name, _, attribute = spelt.partition(":")
    folder = None if config is None else config / FOLDER
    if folder is not None and (entry := str(folder.resolve())) not in sys.path:
        sys.path.append(entry)  # last: a file there must not hide a module of Python or Shoal
    try:
        module = _imported(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the code of a stranger: whatever it raises is described
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise UnusableStrategyError(_no_module(name, folder)) from None
        raise UnusableStrategyError(f"{name} cannot be imported: {describe_failure(error)}") from None
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        if folder is not None and name in _modules(folder):
            _refuse_other_origin(name, module, folder)
        classes = [each for each, value in vars(module).items() if callable(getattr(value, "decide", None))]
        raise UnusableStrategyError(f"{name} has no class {attribute}{nearest(attribute, classes)}")
    return found


def hint_at_file(spelt: str, config: Path | None) -> str:
    """Return what to write for a text that names a file of the folder and not a class, with "; " before it; else nothing."""
    folder = None if config is None else config / FOLDER
    stem = spelt.partition(":")[0].rpartition("/")[2].partition(".")[0]
    if folder is None or stem not in _modules(folder):
        return ""
    names = [f'"{stem}:{each}"' for each in _strategies_in(folder / f"{stem}.py")]
    return f"; {folder / stem}.py has {' and '.join(names) if names else 'no class with a method decide'}"


def _imported(name: str) -> ModuleType:
    """Import a module without leaving compiled files in a folder that a person edits."""
    importlib.invalidate_caches()  # the file may be seconds old
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(name)
    finally:
        sys.dont_write_bytecode = before


def _refuse_other_origin(name: str, module: ModuleType, folder: Path) -> None:
    """Raise UnusableStrategyError if the module is not that of the folder, but another one of the same name."""
    if (origin := getattr(module, "__file__", None)) is None or Path(origin).parent != folder.resolve():
        raise UnusableStrategyError(
            f"{name} is also a module of Python or of an installed package, which is found first: rename {folder / name}.py"
        )


def _no_module(name: str, folder: Path | None) -> str:
    if folder is None:
        return f"there is no module {name} in an installed package"
    if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        return f"{folder} cannot be read by this process (user id {os.getuid()}): permit it, as with chmod -R a+rX"
    return f"there is no module {name} in {folder} or an installed package{nearest(name, _modules(folder))}"


def _modules(folder: Path) -> Sequence[str]:
    """Return the names of the folder's own modules, but for tests."""
    try:
        names = sorted(path.stem for path in folder.iterdir() if path.suffix == ".py")
    except OSError:
        return []
    return [name for name in names if name.isidentifier() and not name.startswith(("test_", "conftest", "__"))]


def _strategies_in(file: Path) -> Sequence[str]:
    """Return the classes of a file that have a method `decide`, without running it."""
    with suppress(OSError, ValueError, SyntaxError):
        return [
            node.name
            for node in ast.parse(file.read_bytes()).body
            if isinstance(node, ast.ClassDef)
            and any(isinstance(each, ast.FunctionDef) and each.name == "decide" for each in node.body)
        ]
    return []
