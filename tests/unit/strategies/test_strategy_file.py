"""`strategy.toml`: defaults when it is missing, one clear line when it is wrong."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.settings import Mode
from shared.config.strategy_choice import read_strategy_choice
from shared.domain.master_account import Baseline
from shared.strategies.settings import StrategySettings, load_strategy
from shared.strategies.sma_cross import SmaCross
from tests.unit.master_strategy.values import BTC


def _write(folder: Path, text: str) -> Path:
    (folder / "strategy.toml").write_text(text)
    return folder


def test_a_missing_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load_strategy(tmp_path)
    assert [str(symbol) for symbol in settings.symbols] == ["BTC/USD", "ETH/USD", "SOL/USD"]
    strategy = settings.build()
    assert isinstance(strategy, SmaCross)
    assert strategy.needs == 8


def test_the_file_that_ships_says_the_defaults() -> None:
    assert load_strategy(Path(__file__).parents[3] / "config") == StrategySettings()


def test_per_cent_are_exact(tmp_path: Path) -> None:
    settings = load_strategy(_write(tmp_path, 'entry_pct = 0.1\n[entry_pct_by_symbol]\n"BTC/USD" = 2.5\n'))
    assert settings.entry_pct == Decimal("0.1")
    assert settings.entry_pct_by_symbol == {BTC: Decimal("2.5")}


@pytest.mark.parametrize(
    ("text", "masters", "traded"),
    [
        ("", ["kraken"], "kraken"),
        ("", ["coinbase"], "coinbase"),
        ("", ["coinbase", "kraken"], "kraken"),
        ('venue = "coinbase"', ["coinbase", "kraken"], "coinbase"),
    ],
)
def test_the_strategy_trades_one_account_and_the_other_is_mirrored(
    tmp_path: Path, text: str, masters: list[str], traded: str
) -> None:
    settings = load_strategy(_write(tmp_path, text))
    assert [venue for venue in masters if settings.at(venue, masters).build() is not None] == [traded]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('venue = "binance"', "venue"),
        ("fsat = 3", "fsat is not a known setting"),
        ("fsat = 3", "did you mean fast?"),
        ("periods = 3", "known: baseline, entry_freshness_seconds"),
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


def test_the_baseline_is_one_of_two_and_separate_if_not_set(tmp_path: Path) -> None:
    """Case B4."""
    assert load_strategy(tmp_path).baseline is Baseline.SEPARATE
    (tmp_path / "strategy.toml").write_text('baseline = "whole_position"\n')
    assert load_strategy(tmp_path).baseline is Baseline.WHOLE_POSITION
    (tmp_path / "strategy.toml").write_text('baseline = "half"\n')
    with pytest.raises(ConfigurationError, match="baseline"):
        load_strategy(tmp_path)


def test_none_is_a_strategy_that_trades_nothing_and_the_default_in_live_mode(tmp_path: Path) -> None:
    """Case N1: going live must not start the sample strategy."""
    assert load_strategy(tmp_path, Mode.LIVE).build() is None
    assert load_strategy(_write(tmp_path, "poll_seconds = 2\n"), Mode.LIVE).name == "none"
    assert load_strategy(_write(tmp_path, 'name = "none"\n'), Mode.PAPER).build() is None
    assert isinstance(load_strategy(_write(tmp_path, ""), Mode.PAPER).build(), SmaCross)


def test_live_mode_refuses_the_sample_strategy_unless_it_is_wanted(tmp_path: Path) -> None:
    """Case N1: the file as it is shipped names the sample."""
    shipped = (Path(__file__).parents[3] / "config" / "strategy.toml").read_text()
    with pytest.raises(ConfigurationError) as refused:
        load_strategy(_write(tmp_path, shipped), Mode.LIVE)
    assert all(words in str(refused.value) for words in ("strategy.toml", 'name = "none"', "trade_live = true"))
    assert "\n" not in str(refused.value)

    wanted = load_strategy(_write(tmp_path, shipped.replace("trade_live = false", "trade_live = true")), Mode.LIVE)

    assert isinstance(wanted.build(), SmaCross)


@pytest.mark.parametrize("word", ['"yes"', "1", '"true"'])
def test_only_true_says_that_the_sample_is_wanted(tmp_path: Path, word: str) -> None:
    """Case N1: a word that is not a TOML truth never starts a strategy on real money."""
    config = _write(tmp_path, f'name = "sma-cross"\ntrade_live = {word}\n')
    with pytest.raises(ConfigurationError, match="trade_live"):
        read_strategy_choice(config, Mode.LIVE)
    with pytest.raises(ConfigurationError, match="trade_live"):
        load_strategy(config, Mode.LIVE)
