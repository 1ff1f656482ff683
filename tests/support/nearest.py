"""Which tests are nearest to a file: those that bear its name, and those that import it. `check.py` runs them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CODE: Final = ("shared", "services")
QUICK: Final = ("unit", "integration", "contract")
"""The suites that run mostly in the test's own process; the others start whole systems and take minutes."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """What belongs to one file; paths from the root of the checkout, sorted."""

    tests: tuple[str, ...]
    """Test files, or the folders of its package, for what nobody imports."""
    importers: tuple[str, ...]
    """Files that import it directly, tests or not."""
    left: tuple[str, ...]
    """Test files that import it and take minutes."""


class Tree:
    """The Python files of a checkout."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._texts = {
            str(path.relative_to(root)): path.read_text()
            for folder in (*CODE, "tests")
            for path in sorted((root / folder).rglob("*.py"))
        }

    def nearest(self, file: str) -> Nearest:
        """Find what belongs to a file. Raises FileNotFoundError."""
        if not (self._root / file).is_file():
            raise FileNotFoundError(file)
        if not file.endswith(".py"):
            return Nearest(tuple(self._folders_of(file)), (), ())
        importers = self._importers(file)
        tests = {path for path in importers if _is_test(path)}
        if _is_test(file):
            return Nearest((file,), tuple(sorted(importers)), tuple(sorted(tests)))
        near = {path for path in tests if _is_quick(path)} | set(self._namesakes(file))
        found = near or self._of_importers(file) or set(self._folders_of(file))
        return Nearest(tuple(sorted(found)), tuple(sorted(importers)), tuple(sorted(tests - near)))

    def _namesakes(self, file: str) -> Iterable[str]:
        """Find the quick tests of the same name below the folder of the same package: rooms may differ."""
        path = Path(file)
        if len(path.parts) > 2:  # in a package
            for suite in QUICK:
                below = f"tests/{suite}/{path.parts[1]}/"
                yield from (
                    each for each in self._texts if each.startswith(below) and Path(each).stem == f"test_{path.stem}"
                )

    def _of_importers(self, file: str) -> set[str]:
        """Find the quick tests of whatever imports it, at the least distance at which there are any."""
        seen, ring = {file}, {file}
        while ring := {each for path in ring for each in self._importers(path)} - seen:
            seen |= ring
            tests = {path for path in ring if _is_test(path) and _is_quick(path)}
            if tests := tests | {each for path in ring for each in self._namesakes(path)}:
                return tests
        return set()

    def _folders_of(self, file: str) -> Iterable[str]:
        parts = Path(file).parts
        if len(parts) > 2:  # in a package
            found = (f"tests/{suite}/{parts[1]}" for suite in QUICK)
            yield from (each for each in found if (self._root / each).is_dir())

    def _importers(self, file: str) -> set[str]:
        module = module_of(file)
        tail = module.rpartition(".")[2]
        return {path for path, text in self._texts.items() if tail in text and path != file and imports(text, module)}


def module_of(file: str) -> str:
    """Return the name under which a file is imported."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(text: str, module: str) -> bool:
    """Return whether a program imports a module, wherever in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any(each.name == module for each in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (
            node.module == module or any(f"{node.module}.{each.name}" == module for each in node.names)
        ):
            return True
    return False


def _is_test(path: str) -> bool:
    return path.startswith("tests/") and Path(path).name.startswith("test_")


def _is_quick(path: str) -> bool:
    return Path(path).parts[1] in QUICK
