"""The named points at which a test may have a process die: one that no code reaches proves nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from shared.runtime.crash_points import CrashPoint

_SERVICES = Path(__file__).resolve().parents[3] / "services"


def test_every_point_is_hit_somewhere() -> None:
    """Case R3: a crash point that is accepted and never passed makes "killed between every two steps" a claim without proof."""
    assert set(_hits()) == {point.name for point in CrashPoint}


def test_each_point_belongs_to_the_service_it_is_named_after() -> None:
    folders = {"engine": "copy_engine", "executor": "executor", "master": "master_strategy"}
    for file in _SERVICES.rglob("*.py"):
        for name in _hits_in(file):
            assert folders[CrashPoint[name].split("-")[0]] == file.relative_to(_SERVICES).parts[0]


def _hits() -> Iterator[str]:
    for file in sorted(_SERVICES.rglob("*.py")):
        yield from _hits_in(file)


def _hits_in(file: Path) -> Iterator[str]:
    """Find the points that a file hits: `....hit(CrashPoint.NAME)`."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="hit"),
                args=[ast.Attribute(value=ast.Name(id="CrashPoint"), attr=name)],
            ):
                yield name
