"""A strategy of one's own, by `package.module:Class`: what is wrong with it is one line that names file and key."""

from __future__ import annotations

import json
import shutil
import sys
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from shared.config.errors import ConfigurationError
from shared.strategies.frame import Caps
from shared.strategies.settings import load_strategy

_EXAMPLE = Path(__file__).parents[3] / "config" / "strategies" / "breakout.py"
_MINE = """
from shared.strategies.frame import Caps

class Mine:
    name = "mine"
    needs = 5
    caps = Caps(max_positions=2, entry_gap_seconds=60)
    interval_minutes = 15

    def __init__(self, settings):
        self.settings = settings

    def decide(self, context):
        return []
"""


def _file(folder: Path, code: str, more: str = "") -> Path:
    """Write a strategy under a name that no other test has imported, and the file that names it."""
    name = f"own_{uuid4().hex}"
    (folder / "strategies").mkdir(exist_ok=True)
    (folder / "strategies" / f"{name}.py").write_text(code)
    (folder / "strategy.toml").write_text(f'strategy = "{name}:Mine"\n{more}')
    return folder


def test_the_example_is_loaded_with_its_settings(tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    shutil.copy(_EXAMPLE, tmp_path / "strategies")
    (tmp_path / "strategy.toml").write_text(
        'strategy = "breakout:Breakout"\n[settings]\ncandles = 30\nstop_pct = 1.5\n'
    )
    [slot] = load_strategy(tmp_path).slots(tmp_path)
    assert (slot.name, slot.kind.shipped, slot.build().needs) == ("breakout:Breakout", False, 31)
    assert slot.settings.model_dump() == {"candles": 30, "entry_pct": Decimal(3), "stop_pct": Decimal("1.5")}
    (tmp_path / "strategy.toml").write_text('strategy = "breakout:Breakout"\n[settings]\ncandls = 30\n')
    with pytest.raises(ConfigurationError, match=r"settings\.candls is not a known setting \(did you mean candles\?\)"):
        load_strategy(tmp_path)


def test_a_class_states_its_candles_and_caps_and_the_file_has_the_last_word(tmp_path: Path) -> None:
    [slot] = load_strategy(_file(tmp_path, _MINE)).slots(tmp_path)
    assert (slot.interval_minutes, slot.caps) == (15, Caps(max_positions=2, entry_gap_seconds=60))
    more = "interval_minutes = 60\n[caps]\nmax_positions = 7\n"
    [slot] = load_strategy(_file(tmp_path, _MINE, more)).slots(tmp_path)
    assert (slot.interval_minutes, slot.caps) == (60, Caps(max_positions=7, entry_gap_seconds=60))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import nothing_like_this\n", "cannot be imported: ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "cannot be imported: SystemExit: 3"),
        ("class Mine\n", "cannot be imported: SyntaxError"),
        ("Mine = 3\n", "has no class Mine"),
        ("class Mine:\n    pass\n", "has no method decide(context)"),
        (_MINE.replace("needs = 5", "needs = 0"), "needs must be a number of candles from 1 to 700, not 0"),
        (
            _MINE.replace("needs = 5", "needs = 5\n    needs_held = 6"),
            "needs_held must be a number of candles from 1 to 5",
        ),
        (_MINE.replace("= 15", "= 7"), "interval_minutes must be one of 1, 5, 15, 30, 60, 240, 1440"),
        (
            _MINE.replace("caps = Caps(max_positions=2, entry_gap_seconds=60)", "caps = 3"),
            "caps must be shared.strategies",
        ),
        (_MINE.replace('name = "mine"', "Settings = dict"), "Settings must be a pydantic model"),
        (_MINE.replace("self.settings = settings", "raise KeyError('x')"), "(settings) failed: KeyError: 'x'"),
    ],
)
def test_what_is_wrong_with_a_class_is_one_line(tmp_path: Path, code: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        load_strategy(_file(tmp_path, code))
    line = str(wrong.value)
    assert line.startswith(f"{tmp_path / 'strategy.toml'}: strategy: ")
    assert says in line
    assert "\n" not in line


def test_settings_for_a_class_without_any_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"settings\.candles is not a known setting"):
        load_strategy(_file(tmp_path, _MINE, "[settings]\ncandles = 3\n"))


def test_a_file_named_like_a_module_of_python_hides_nothing(tmp_path: Path) -> None:
    _file(tmp_path, _MINE)
    (tmp_path / "strategies" / "json.py").write_text("raise RuntimeError\n")
    load_strategy(tmp_path)
    found = sys.modules.pop("json")
    try:
        import json as again  # noqa: PLC0415  # imported anew, with the folder on the path

        assert again.__file__ == json.__file__
    finally:
        sys.modules["json"] = found


def test_no_compiled_file_is_left_in_the_folder(tmp_path: Path) -> None:
    load_strategy(_file(tmp_path, _MINE))
    assert not list(tmp_path.glob("**/*.pyc"))
