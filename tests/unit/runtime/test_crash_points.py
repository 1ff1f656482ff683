"""The named steps at which a test may have a process die: a step that no code passes proves nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from shared.runtime.crash_points import CrashPoint

_ROOT = Path(__file__).resolve().parents[3]


def test_every_step_is_passed_somewhere() -> None:
    """Case R3: a crash point that is accepted and never passed makes "killed between every two steps" a claim without proof."""
    assert set(_passed()) == {step.name for step in CrashPoint}


def test_each_step_belongs_to_the_service_it_is_named_after() -> None:
    folders = {"engine": "copy_engine", "executor": "executor", "master": "master_strategy"}
    for file in _ROOT.rglob("*.py"):
        for name in _passed_in(file):
            assert folders[CrashPoint[name].split("-")[0]] == file.relative_to(_ROOT).parts[0]


def _passed() -> Iterator[str]:
    for file in sorted(_ROOT.rglob("*.py")):
        yield from _passed_in(file)


def _passed_in(file: Path) -> Iterator[str]:
    """Find the steps that a file says it has passed: `....hit(CrashPoint.NAME)`."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="hit"),
                args=[ast.Attribute(value=ast.Name(id="CrashPoint"), attr=name)],
            ):
                yield name
