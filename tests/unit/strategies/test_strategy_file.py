"""`strategy.toml`: defaults when it is missing, one clear line when it is wrong."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.master_accounts import TradedAccount, master_accounts
from shared.config.settings import Mode
from shared.config.strategy_choice import read_strategy_choice
from shared.domain.master_account import Baseline
from shared.strategies.frame import Caps
from shared.strategies.port import candles_needed
from shared.strategies.settings import StrategySettings, load_strategy
from shared.strategies.sma_cross import SmaCrossSettings
from shared.strategies.trend import Trend, TrendSettings
from tests.unit.master_strategy.values import BTC

SHIPPED = Path(__file__).parents[3] / "config"
TREND_CAPS = Caps(
    max_positions=8,
    max_entries_per_day=30,
    entry_gap_seconds=300,
    max_exposure_pct=Decimal(80),
    one_entry_per_cycle=True,
    settle_seconds=6,
)
"""As `reference/strategy.md` describes them."""


def _write(folder: Path, text: str) -> Path:
    (folder / "strategy.toml").write_text(text)
    return folder


def test_a_missing_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load_strategy(tmp_path)
    assert [str(symbol) for symbol in settings.symbols] == ["BTC/USD", "ETH/USD", "SOL/USD"]
    [slot] = settings.slots()
    strategy = slot.build()
    assert isinstance(strategy, Trend)
    assert (slot.name, slot.share, slot.caps, slot.interval_minutes) == ("trend", Decimal(1), TREND_CAPS, 5)
    assert strategy.needs == 100
    assert read_strategy_choice(tmp_path, Mode.PAPER).name == "trend"


def test_another_file_can_be_chosen_and_is_the_one_that_is_named_in_what_is_wrong(tmp_path: Path) -> None:
    _write(tmp_path, 'strategy = "none"\n')
    chosen = tmp_path / "demo.toml"
    chosen.write_text('strategy = "sma-cross"\nvenue = "coinbase"\n')
    assert load_strategy(tmp_path, Mode.PAPER, chosen).name == "sma-cross"
    assert read_strategy_choice(tmp_path, Mode.PAPER, chosen).venue == "coinbase"
    for refusing in (load_strategy, read_strategy_choice):
        with pytest.raises(ConfigurationError, match=r"demo\.toml: SHOAL_MODE is live"):
            refusing(tmp_path, Mode.LIVE, chosen)
        with pytest.raises(ConfigurationError, match=r"gone\.toml: cannot be read"):
            refusing(tmp_path, Mode.PAPER, tmp_path / "gone.toml")


def test_the_file_that_ships_says_the_defaults() -> None:
    assert load_strategy(SHIPPED) == StrategySettings()


def test_the_tables_that_the_shipped_file_shows_are_those_of_trend(tmp_path: Path) -> None:
    text = (SHIPPED / "strategy.toml").read_text()
    [slot] = load_strategy(SHIPPED).slots()
    shown = "".join(line.removeprefix("# ") for line in text.splitlines(keepends=True) if line.startswith("# "))
    tables = "[settings]" + shown.split("[settings]")[1].split("Several")[0]
    assert "[caps]" in tables
    [written] = load_strategy(_write(tmp_path, f'strategy = "trend"\n{tables}')).slots()
    assert written.written.keys() == {"min_adx", "stop_atr", "trail_atr", "size_above_pct"}
    assert (written.settings, written.caps) == (slot.settings, slot.caps)
    several = shown[shown.index("[[strategies]]") :]
    assert load_strategy(_write(tmp_path, several)).name == "slow"


def test_another_strategy_is_one_word_away_from_the_shipped_file(tmp_path: Path) -> None:
    text = (SHIPPED / "strategy.toml").read_text()
    for other in ("sma-cross", "none", "breakout:Breakout"):
        _write(tmp_path, text.replace('strategy = "trend"', f'strategy = "{other}"'))
        assert load_strategy(SHIPPED, Mode.PAPER, tmp_path / "strategy.toml").strategy == other


def test_the_demos_own_file_is_the_sample(tmp_path: Path) -> None:
    demo = load_strategy(SHIPPED, Mode.PAPER, SHIPPED / "demo_strategy.toml")
    [slot] = demo.slots()
    assert (slot.name, slot.interval_minutes, slot.settings) == ("sma-cross", 1, SmaCrossSettings())
    assert demo.symbols == StrategySettings().symbols


def test_per_cent_are_exact(tmp_path: Path) -> None:
    text = (
        'strategy = "sma-cross"\n[settings]\nentry_pct = 0.1\n[settings.entry_pct_by_symbol]\n"BTC/USD" = 2.5\n'
        "[caps]\nmax_exposure_pct = 0.1\n"
    )
    [slot] = load_strategy(_write(tmp_path, text)).slots()
    assert slot.settings == SmaCrossSettings(entry_pct=Decimal("0.1"), entry_pct_by_symbol={BTC: Decimal("2.5")})
    assert slot.caps == Caps(max_exposure_pct=Decimal("0.1"))


def test_a_file_of_before_the_tables_goes_on_working(tmp_path: Path) -> None:
    former = 'name = "sma-cross"\nfast = 2\nslow = 5\nentry_pct = 8\n\n[entry_pct_by_symbol]\n"BTC/USD" = 12\n'
    [slot] = load_strategy(_write(tmp_path, former)).slots()
    assert slot.name == "sma-cross"
    assert slot.settings == SmaCrossSettings(
        fast=2, slow=5, entry_pct=Decimal(8), entry_pct_by_symbol={BTC: Decimal(12)}
    )


def test_the_settings_of_the_sample_do_not_disturb_a_file_that_mirrors_only(tmp_path: Path) -> None:
    assert not load_strategy(_write(tmp_path, 'name = "none"\nfast = 3\nslow = 8\n')).trades


def test_the_strategy_trend_has_its_own_candles_caps_and_settings(tmp_path: Path) -> None:
    text = 'strategy = "trend"\n[settings]\nmin_adx = 25\n[caps]\nmax_positions = 5\n'
    [slot] = load_strategy(_write(tmp_path, text)).slots()
    assert slot.settings == TrendSettings(min_adx=25)
    assert slot.interval_minutes == 5
    assert slot.caps == replace(TREND_CAPS, max_positions=5)
    strategy = slot.build()
    assert isinstance(strategy, Trend)
    assert (candles_needed(strategy, held=False), candles_needed(strategy, held=True)) == (100, 90)


_TWO = """
symbols = ["BTC/USD", "ETH/USD"]

[[strategies]]
strategy = "sma-cross"
equity_pct = 30
symbols = ["SOL/USD"]
interval_minutes = 15

[[strategies]]
strategy = "sma-cross"
name = "slow"
equity_pct = 70
settings = {fast = 20, slow = 50}
caps = {max_positions = 1, one_entry_per_cycle = true}
"""


def test_several_strategies_have_symbols_settings_caps_and_a_share_each(tmp_path: Path) -> None:
    settings = load_strategy(_write(tmp_path, _TWO))
    first, second = settings.slots()
    assert (first.name, first.share, first.interval_minutes) == ("sma-cross", Decimal("0.3"), 15)
    assert (second.name, second.share, second.interval_minutes) == ("slow", Decimal("0.7"), 1)
    assert [[str(symbol) for symbol in slot.symbols] for slot in (first, second)] == [
        ["SOL/USD"],
        ["BTC/USD", "ETH/USD"],
    ]
    assert second.caps == Caps(max_positions=1, one_entry_per_cycle=True)
    assert (first.build().needs, second.build().needs) == (8, 50)
    assert settings.name == "sma-cross, slow"
    assert {str(symbol) for symbol in settings.traded_symbols} == {"SOL/USD", "BTC/USD", "ETH/USD"}
    assert read_strategy_choice(tmp_path, Mode.PAPER).name == "sma-cross, slow"


def test_several_strategies_trade_real_money_only_if_that_is_confirmed(tmp_path: Path) -> None:
    config = _write(tmp_path, _TWO)
    for refusing in (load_strategy, read_strategy_choice):
        with pytest.raises(ConfigurationError, match="trade_live"):
            refusing(config, Mode.LIVE)
    assert load_strategy(_write(tmp_path, "trade_live = true\n" + _TWO), Mode.LIVE).trades


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
    chosen = TradedAccount(settings.trades, settings.venue or "")
    accounts = master_accounts(tmp_path, {}, masters, chosen)
    assert [each.venue for each in accounts if settings.of_account(traded=each.traded).trades] == [traded]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('venue = "binance"', "venue"),
        ("fsat = 3", "fsat is not a known setting"),
        ('strategy = "sma-cross"\n[settings]\nfsat = 3', "settings.fsat is not a known setting (did you mean fast?)"),
        ('strategy = "sma-cross"\n[settings]\nfast = 0', "settings.fast: must be at least 1 and at most 500 (got 0)"),
        ("[caps]\nmax_position = 3", "caps.max_position is not a known setting (did you mean max_positions?)"),
        ("[caps]\nmax_positions = 0", "caps.max_positions: must be at least 1"),
        ("settings = 3", "settings: must be a table"),
        ("periods = 3", "known: baseline, budget_seconds, caps, entry_freshness_seconds"),
        ('name = "sma-cross"\nstrategy = "none"', "name: leave it out, strategy is its present name"),
        ("fast = 3\n[settings]\nfast = 4", "fast: it is under [settings] as well"),
        ('strategy = "shared:Frame"\nfast = 3', "write those of shared:Frame under [settings]"),
        ('strategy = "nowhere.at_all:Thing"', "strategy: there is no module nowhere.at_all in"),
        ('strategy = "shared.strategies.frame:Nothing"', "shared.strategies.frame has no class Nothing"),
        ('strategy = "shared.strategies.frame:Caps"', "has no method decide(context)"),
        ('strategy = "shared.strategies.port:Strategy"', "Strategy(settings) failed: TypeError"),
        ("fast = 3\n" + _TWO, "fast: write it in the tables [[strategies]]"),
        ('strategy = "sma-cross"\n' + _TWO, "strategy: write it in the tables [[strategies]]"),
        (_TWO.replace("70", "71"), "equity_pct are 101 together, more than 100"),
        (_TWO.replace('name = "slow"', ""), "two have the same name"),
        (_TWO.replace("equity_pct = 70", ""), "strategies.1.equity_pct: is missing"),
        (_TWO.replace("fast = 20", "fast = 60"), "strategies.1.settings: fast must be below slow"),
        (_TWO.replace("SOL/USD", "SOL/EUR"), "one quote currency"),
        (_TWO.replace('"slow"', '"a b"'), "strategies.1.name"),
        (_TWO.replace('strategy = "sma-cross"', 'strategy = "magic"'), "strategies.0.strategy: must be 'sma-cross'"),
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
    assert not load_strategy(tmp_path, Mode.LIVE).trades
    assert load_strategy(_write(tmp_path, "poll_seconds = 2\n"), Mode.LIVE).name == "none"
    assert load_strategy(_write(tmp_path, 'strategy = "none"\n'), Mode.PAPER).slots() == ()
    assert load_strategy(_write(tmp_path, ""), Mode.PAPER).trades


def test_live_mode_refuses_the_sample_strategy_unless_it_is_wanted(tmp_path: Path) -> None:
    """Case N1: the file as it is shipped names the sample."""
    shipped = (Path(__file__).parents[3] / "config" / "strategy.toml").read_text()
    with pytest.raises(ConfigurationError) as refused:
        load_strategy(_write(tmp_path, shipped), Mode.LIVE)
    assert all(words in str(refused.value) for words in ("strategy.toml", 'strategy = "none"', "trade_live = true"))
    assert "\n" not in str(refused.value)

    wanted = load_strategy(_write(tmp_path, shipped.replace("trade_live = false", "trade_live = true")), Mode.LIVE)

    assert wanted.trades


@pytest.mark.parametrize("word", ['"yes"', "1", '"true"'])
def test_only_true_says_that_the_sample_is_wanted(tmp_path: Path, word: str) -> None:
    """Case N1: a word that is not a TOML truth never starts a strategy on real money."""
    config = _write(tmp_path, f'name = "sma-cross"\ntrade_live = {word}\n')
    with pytest.raises(ConfigurationError, match="trade_live"):
        read_strategy_choice(config, Mode.LIVE)
    with pytest.raises(ConfigurationError, match="trade_live"):
        load_strategy(config, Mode.LIVE)
