"""`strategy.toml`: defaults when it is missing, one clear line when it is wrong."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.master_strategy.sma_cross import SmaCross
from services.master_strategy.strategy_file import StrategySettings, load_strategy
from shared.config.errors import ConfigurationError
from tests.unit.master_strategy.values import BTC


def _write(folder: Path, text: str) -> Path:
    (folder / "strategy.toml").write_text(text)
    return folder


def test_a_missing_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load_strategy(tmp_path)
    assert [str(symbol) for symbol in settings.symbols] == ["BTC/USD", "ETH/USD", "SOL/USD"]
    assert isinstance(settings.build(), SmaCross)
    assert settings.build().needs == 8


def test_the_file_that_ships_says_the_defaults() -> None:
    assert load_strategy(Path(__file__).parents[3] / "config") == StrategySettings()


def test_per_cent_are_exact(tmp_path: Path) -> None:
    settings = load_strategy(_write(tmp_path, 'entry_pct = 0.1\n[entry_pct_by_symbol]\n"BTC/USD" = 2.5\n'))
    assert settings.entry_pct == Decimal("0.1")
    assert settings.entry_pct_by_symbol == {BTC: Decimal("2.5")}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fsat = 3", "fsat is not a known setting"),
        ("fsat = 3", "did you mean fast?"),
        ("periods = 3", "known: entry_freshness_seconds, entry_gap_seconds"),
        ('name = "magic"', "'sma-cross'"),
        ('symbols = ["BTCUSD"]', "BTCUSD"),
        ("symbols = []", "symbols"),
        ('symbols = ["BTC/USD", "BTC/USD"]', "twice"),
        ('symbols = ["BTC/USD", "ETH/EUR"]', "one quote currency"),
        ("fast = 8\nslow = 8", "fast must be below slow"),
        ("interval_minutes = 7", "interval_minutes"),
        ("entry_pct = 101", "entry_pct"),
        ('order_type = "stop"', "'market' or 'limit'"),
        ("fast = ", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        load_strategy(_write(tmp_path, text))
    line = str(wrong.value)
    assert "strategy.toml" in line
    assert says in line
    assert "\n" not in line
