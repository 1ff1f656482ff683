"""The files that a folder's README and the facts about the venues name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "shared/bus/README.md",
    "shared/config/README.md",
    "shared/runtime/README.md",
    "shared/venues/README.md",
    "shared/venues/coinbase/COINBASE.md",
    "shared/venues/kraken/KRAKEN.md",
)
_FILE = re.compile(r"`([\w./]+\.(?:py|lua|md))`|\]\(([\w./]+)\)")


def named(text: str) -> set[str]:
    """Return the files that a document names in backticks or links to."""
    return {match[1] or match[2] for match in _FILE.finditer(text)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_exists(document: str) -> None:
    folder = (ROOT / document).parent
    files = named((ROOT / document).read_text("utf-8"))
    assert files
    assert [each for each in sorted(files) if not (folder / each).is_file() and not (ROOT / each).is_file()] == []


@pytest.mark.parametrize("package", ["bus", "config", "runtime", "venues"])
def test_every_module_of_a_folder_is_in_its_readme(package: str) -> None:
    folder = ROOT / "shared" / package
    listed = named((folder / "README.md").read_text("utf-8"))
    modules = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py") if path.name != "__init__.py"}
    assert modules - listed == set()


def test_a_file_that_is_gone_would_be_found() -> None:
    assert named("see `lane.py` and [facts](kraken/KRAKEN.md), not `begin` or `shared/venues`") == {
        "lane.py",
        "kraken/KRAKEN.md",
    }
