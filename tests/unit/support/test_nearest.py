"""`make check` must find what an edit can break: too few tests, and a person merges what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.check import commands, left, main, relative, shown
from tests.support.nearest import Nearest, Tree, imports
from tests.support.processes import ROOT

FILES = {
    "shared/bus/ownership/lease.py": "",
    "shared/bus/lua/renew.lua": "",
    "shared/domain/limits/policy.py": "",
    "shared/domain/deep.py": "",
    "shared/domain/between.py": "from shared.domain import deep",
    "services/ops/app.py": "",
    "services/executor/app.py": "from shared.bus.ownership.lease import acquire\nfrom shared.domain.between import x",
    "tests/support/told.py": "",
    "tests/unit/domain/test_policy.py": "",
    "tests/unit/domain/test_between.py": "import shared.domain.between",
    "tests/unit/support/test_told.py": "",
    "tests/integration/bus/test_renewals.py": "def test():\n    from shared.bus.ownership import lease",
    "tests/integration/bus/test_others.py": "'shared.bus.ownership.lease'  # a lease, and no import of it",
    "tests/integration/ops/test_words.py": "",
    "tests/scenarios/test_clocks.py": "import shared.bus.ownership.lease",
}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("shared/bus/ownership/lease.py", ["tests/integration/bus/test_renewals.py"]),  # imports it
        ("shared/domain/limits/policy.py", ["tests/unit/domain/test_policy.py"]),  # bears its name, in another room
        ("shared/domain/deep.py", ["tests/unit/domain/test_between.py"]),  # imports what imports it
        ("tests/support/told.py", ["tests/unit/support/test_told.py"]),
        ("services/ops/app.py", ["tests/integration/ops"]),  # runs as a process: nobody imports it
        ("shared/bus/lua/renew.lua", ["tests/integration/bus"]),
        ("tests/integration/bus/test_others.py", ["tests/integration/bus/test_others.py"]),
    ],
)
def test_the_nearest_tests_of_a_file(tree: Tree, file: str, tests: list[str]) -> None:
    assert list(tree.nearest(file).tests) == tests


def test_what_imports_a_file_is_checked_for_types_with_it_and_what_takes_minutes_is_left(tree: Tree) -> None:
    found = tree.nearest("shared/bus/ownership/lease.py")
    assert found.importers == (
        "services/executor/app.py",
        "tests/integration/bus/test_renewals.py",
        "tests/scenarios/test_clocks.py",
    )
    assert found.left == ("tests/scenarios/test_clocks.py",)
    lease = "shared/bus/ownership/lease.py"
    planned = {command[0]: command for command in commands([lease], {lease: found})}
    assert planned["mypy"][1:] == tuple(sorted([lease, *found.importers]))
    assert planned["pytest"][-1] == "tests/integration/bus/test_renewals.py"
    assert "test_clocks.py" in left([lease], {lease: found})[0]


def test_what_is_no_python_has_tests_only_and_a_file_without_any_is_told() -> None:
    found = {"a.lua": Nearest(("tests/integration/bus",), (), ()), "b.py": Nearest((), (), ())}
    assert [command[0] for command in commands(["a.lua"], found)] == ["pytest"]
    assert "b.py" in left(["b.py"], found)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a.b", True),
        ("import a.b as c", True),
        ("from a.b import c", True),
        ("from a import b", True),
        ("from a import c, b as d", True),
        ("import a.b.c", False),
        ("from a import c", False),
        ("'import a.b'", False),
    ],
)
def test_an_import_is_read_as_python_reads_it(text: str, expected: bool) -> None:
    assert imports(text, "a.b") is expected


def test_a_path_is_taken_from_anywhere_in_the_checkout_and_from_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT / "tests" / "unit")
    assert relative("support/test_nearest.py") == "tests/unit/support/test_nearest.py"
    assert main([str(tmp_path / "elsewhere.py")]) == main(["shared/no_such_file.py"]) == 2
    assert capsys.readouterr().out.count("no such file") == 2


def test_it_fails_if_one_command_fails_and_runs_the_others(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.support.check.commands", lambda *_: [("no_such_module",), ("json.tool", "--help")])
    assert main(["tests/unit/support/test_nearest.py"]) == 1
    printed = capfd.readouterr().out
    assert "usage:" in printed
    assert "FAILED: no_such_module" in printed
    monkeypatch.setattr("tests.support.check.commands", lambda *_: [("json.tool", "--help")])
    assert main(["tests/unit/support/test_nearest.py"]) == 0
    assert "all passed" in capfd.readouterr().out


def test_of_many_files_the_first_are_shown() -> None:
    assert shown(("mypy", "a", "b")) == "mypy a b"
    assert shown(("mypy", *"abcdefghijklmn")) == "mypy a b c d e f g h i j k and 3 more files"
