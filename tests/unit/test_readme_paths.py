"""Every path, module and relative link in a README or another .md file of the repository exists."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TOP: Final = ("services", "shared", "tests", "config", ".ci")
MADE: Final = ("var/", ".venv/")
"""Folders that a run makes: they are in no checkout."""
CODE: Final = re.compile(r"`([^`\n]+)`")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
MODULE: Final = re.compile(r"-m ((?:services|shared|tests)(?:\.\w+)*)")
PATH: Final = re.compile(r"[\w.{},*/-]+")
FILE: Final = re.compile(r".*\w\.(?:py|md|toml|lua|yml|env|lock|txt)")
BRACES: Final = re.compile(r"\{([^{}]*)\}")


def documents() -> list[Path]:
    """Find the .md files: at the top and in the folders of the project."""
    return sorted([*ROOT.glob("*.md"), *(path for name in TOP for path in (ROOT / name).rglob("*.md"))])


def expand(path: str) -> list[str]:
    """Expand `a/{b,c}.py` as a shell does."""
    parts = BRACES.split(path)
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    return ["".join(each) for each in product(*choices)]


def named_paths(text: str) -> list[str]:
    """Return the paths in code spans: names of files, and what begins with a folder of the project."""
    words = [word for span in CODE.findall(text) for word in span.split()]
    paths = [path for word in words if PATH.fullmatch(word) for path in expand(word)]
    return [path for path in paths if _is_path(path)]


def _is_path(path: str) -> bool:
    if path.startswith(("/", *MADE)) or path in {f".{end}" for end in ("env", "md")}:
        return False
    return (
        FILE.fullmatch(path) is not None
        or path.endswith("/")
        or (path.split("/", maxsplit=1)[0] in TOP and "/" in path)
    )


def exists(path: str, document: Path) -> bool:
    """Return whether a path exists: from the root or a folder of the project, or anywhere below the document or `shared`."""
    starts = (ROOT, ROOT / "services", ROOT / "shared", ROOT / "config", document.parent)
    if any(next(start.glob(path.rstrip("/")), None) for start in starts):
        return True
    return any(next(start.rglob(path.rstrip("/")), None) for start in (document.parent, ROOT / "shared"))


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_in_a_document_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert sorted({path for path in named_paths(text) if not exists(path, document)}) == []


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_and_module_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in LINK.findall(text) if "://" not in link and not link.startswith("#")}
    modules = {module.replace(".", "/") for module in MODULE.findall(text)}
    gone = [link for link in links if not (document.parent / link).exists()]
    gone += [name for name in modules if not (ROOT / name).is_dir() and not (ROOT / f"{name}.py").is_file()]
    assert sorted(gone) == []


def test_headings_that_links_name_exist() -> None:
    for document in documents():
        text = document.read_text(encoding="utf-8")
        titles = [line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")]
        anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
        wanted = {link[1:] for link in LINK.findall(text) if link.startswith("#")}
        assert wanted <= anchors, document


@pytest.mark.parametrize(
    "path", ["services/ops/no_such_file.py", "no_such_file.py", "shared/no_such_folder", "no_such/"]
)
def test_a_path_that_does_not_exist_is_found(path: str) -> None:
    assert named_paths(f"Read `{path}`.") == [path]
    assert not exists(path, ROOT / "README.md")
