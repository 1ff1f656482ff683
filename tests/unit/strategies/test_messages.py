"""What is wrong with a strategy is one line that names the file, the key or the line of code, and what to write instead.

Each fault is made as an author makes it, and read where they read it first: from `ops backtest`. What is wrong with a file, the
master says at its start in the same words.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from services.ops.app import build
from shared.config.errors import ConfigurationError
from shared.strategies.settings import load_strategy

_CODE: Final = """
import time
from decimal import Decimal
from pydantic import BaseModel, Field
from shared.strategies.port import Enter

class Mine:
    interval_minutes = 60

    class Settings(BaseModel):
        candles: int = Field(2, ge=2, le=200)

    def __init__(self, settings):
        self.needs = settings.candles

    def decide(self, context):
        return []
"""
_MINE: Final = 'strategy = "{m}:Mine"\n'
_TWO: Final = """
[[strategies]]
strategy = "{m}:Mine"
equity_pct = 60
symbols = ["BTC/USD"]
[[strategies]]
strategy = "sma-cross"
equity_pct = 40
interval_minutes = 60
symbols = ["BTC/USD", "ETH/USD"]
"""


def _decides(line: str) -> str:
    return _CODE.replace("return []", line)


def _write(folder: Path, file: str, code: str) -> str:
    """Write both files under a name that no other test has imported; return it."""
    name = f"own_{uuid4().hex}"
    (folder / "strategies").mkdir()
    (folder / "strategies" / f"{name}.py").write_text(code)
    (folder / "strategy.toml").write_text(file.replace("{m}", name))
    return name


def _backtest() -> tuple[str, str]:
    """Run it; return what was refused, and what was noted on stderr."""
    done = CliRunner().invoke(build("backtest"), ["backtest", "--seed", "7", "--days", "1"])
    if isinstance(done.exception, ConfigurationError):
        return str(done.exception), done.stderr
    assert done.exception is None, done.exception
    return "", done.stderr


_OF_THE_FILE: Final = [
    ('strategy = "trnd"', _CODE, "'trend', 'none' or 'package.module:Class'; did you mean 'trend'? (got 'trnd')"),
    ('strategy = "{m}"', _CODE, '{folder}/{m}.py has "{m}:Mine" (got'),
    ('strategy = "config/strategies/{m}.py:Mine"', _CODE, '{folder}/{m}.py has "{m}:Mine" (got'),
    ('strategy = "{m}.Mine"', _CODE, '{folder}/{m}.py has "{m}:Mine" (got'),
    ('strategy = "{m}.py"', "x = 1\n", "{folder}/{m}.py has no class with a method decide (got"),
    ('strategy = "{m}x:Mine"', _CODE, "there is no module {m}x in {folder} or an installed package (did you mean {m}?)"),
    ('strategy = "{m}:Mien"', _CODE, "strategy: {m} has no class Mien (did you mean Mine?)"),
    ('strategy = "statistics:Mine"', _CODE, "strategy: statistics has no class Mine"),
    (_MINE, "class Mine:\n    pass\n", "strategy: {m}:Mine has no method decide(context)"),
    (_MINE + "[settings]\ncandls = 3", _CODE, "settings.candls is not a known setting (did you mean candles?)"),
    (_MINE + "[settings]\ncandles = 1", _CODE, "settings.candles: must be at least 2 and at most 200 (got 1)"),
    (_MINE + '[settings]\ncandles = "few"', _CODE, "settings.candles: must be a whole number (got 'few')"),
    (_MINE + "[caps]\nmax_position = 3", _CODE, "caps.max_position is not a known setting (did you mean max_positions?)"),
    (_MINE + "entry_gap_second = 3", _CODE, "entry_gap_second is not a known setting (did you mean entry_gap_seconds?)"),
    (_MINE + 'symbols = ["BTC/USD", "BTC/USD"]', _CODE, "symbols names one of them twice"),
    (_TWO.replace("40", "50"), _CODE, "strategies: equity_pct are 110 together, more than 100; lower one of them"),
    (
        _TWO.replace("sma-cross", "{m}:Mine"),
        _CODE,
        "strategies: two have the same name '{m}:Mine'; give each a name of its own (name = ...)",
    ),
    (_TWO + "settings = {candles = 3}", _CODE, "strategies.1.settings.candles is not a known setting"),
    (_MINE, "import pandos\n" + _CODE, "{m} cannot be imported: ModuleNotFoundError: No module named 'pandos' ({m}.py:1)"),
    (_MINE, _CODE + "x = 1 / 0\n", "{m} cannot be imported: ZeroDivisionError: division by zero ({m}.py:18)"),
    (_MINE, _CODE + "class\n", "{m} cannot be imported: SyntaxError: invalid syntax ({m}.py, line 18)"),
    (_MINE, _CODE.replace("settings.candles", "settings.length"), "has no attribute 'length' ({m}.py:14)"),
    (_MINE, _CODE.replace("settings.candles", "0"), "{m}:Mine.needs must be a number of candles from 1 to 700, not 0"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "code", "says"), _OF_THE_FILE)
def test_a_fault_of_the_file_is_one_line_for_the_backtest_and_for_the_master(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, code: str, says: str
) -> None:
    monkeypatch.setenv("SHOAL_CONFIG", str(tmp_path))
    name = _write(tmp_path, file, code)
    said, _ = _backtest()
    assert said.startswith(f"{tmp_path / 'strategy.toml'}: ")
    assert says.replace("{m}", name).replace("{folder}", str(tmp_path / "strategies")) in said
    assert "\n" not in said
    with pytest.raises(ConfigurationError) as at_the_start:
        load_strategy(tmp_path)
    assert str(at_the_start.value) == said


_OF_A_DECISION: Final = [
    (_decides("raise ValueError('no idea')"), "the strategy failed: {m}:Mine at ", "ValueError: no idea ({m}.py:17)"),
    (
        _decides("return [Enter(list(context.candles)[0], context.equity.amount * 0.5, '')]"),
        "'decimal.Decimal' and 'float' ({m}.py:17)",
        'amounts are Decimal: write Decimal("0.5"), not 0.5',
    ),
    (
        _decides("return [Enter(list(context.candles)[0], 0.5, '')]"),
        "InvalidIntentError: BTC/USD: share must be a Decimal above 0 and at most 1, not 0.5",
        "",
    ),
    (_decides("pass"), "InvalidIntentError: decide() must return a list of intents, not NoneType", ""),
    (_decides("yield 1"), "InvalidIntentError: decide() must return a list of intents, not generator", ""),
]


@pytest.mark.parametrize(("code", "says", "and_says"), _OF_A_DECISION)
def test_a_fault_of_a_decision_names_its_candle_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str, and_says: str
) -> None:
    monkeypatch.setenv("SHOAL_CONFIG", str(tmp_path))
    name = _write(tmp_path, _MINE, code)
    said, _ = _backtest()
    assert says.replace("{m}", name) in said
    assert and_says.replace("{m}", name) in said
    assert "at 2025-01-01 02:00 UTC: " in said
    assert "\n" not in said


def test_a_decision_that_the_master_would_not_wait_for_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_CONFIG", str(tmp_path))
    once = _decides("time.sleep(0.06 if context.now % 86_400_000 == 36_000_000 else 0); return []")
    name = _write(tmp_path, "budget_seconds = 0.05\n" + _MINE, once)
    refused, noted = _backtest()
    assert refused == ""
    assert f"{name}:Mine took 0." in noted
    assert "the master pauses it beyond budget_seconds (0.05) of the strategy file" in noted


def test_two_strategies_may_trade_one_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sells only what it bought itself, so this is no fault."""
    monkeypatch.setenv("SHOAL_CONFIG", str(tmp_path))
    _write(tmp_path, _TWO, _CODE)
    assert _backtest()[0] == ""


def test_a_class_without_settings_needs_no_constructor(tmp_path: Path) -> None:
    _write(tmp_path, _MINE, "class Mine:\n    needs = 1\n\n    def decide(self, context):\n        return []\n")
    [slot] = load_strategy(tmp_path).slots(tmp_path)
    assert slot.build().needs == 1


def test_a_class_may_accept_settings_that_it_does_not_know(tmp_path: Path) -> None:
    lenient = _CODE.replace("        candles: int", '        model_config = {"extra": "ignore"}\n        candles: int')
    _write(tmp_path, _MINE + "[settings]\nother = 3\n", lenient)
    assert load_strategy(tmp_path).slots(tmp_path)


def test_a_default_becomes_what_its_setting_says(tmp_path: Path) -> None:
    _write(tmp_path, _MINE, _CODE.replace("candles: int", "stop_pct: Decimal = 2\n        candles: int"))
    [slot] = load_strategy(tmp_path).slots(tmp_path)
    assert isinstance(slot.settings.model_dump()["stop_pct"], Decimal)


def test_a_file_that_is_named_like_a_module_of_python_has_to_be_renamed(tmp_path: Path) -> None:
    _write(tmp_path, 'strategy = "statistics:Mine"\n', _CODE)
    file = tmp_path / "strategies" / "statistics.py"
    file.write_text(_CODE)
    with pytest.raises(ConfigurationError, match="statistics is also a module of Python") as wrong:
        load_strategy(tmp_path)
    assert f"rename {file}" in str(wrong.value)


def test_a_folder_that_cannot_be_read_is_not_said_to_be_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user is another one than who wrote the file."""
    name = _write(tmp_path, _MINE, _CODE)
    (tmp_path / "strategies" / f"{name}.py").unlink()  # tests may run as a user who can read everything
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ConfigurationError, match=r"cannot be read by this process \(user id \d+\): permit it"):
        load_strategy(tmp_path)
