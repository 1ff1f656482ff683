"""The demo shows trades within a minute: by its own strategy, unless the operator's file names another one than the default."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.demo.launcher import _legend
from services.demo.settings import DemoSettings
from shared.config.errors import ConfigurationError
from tests.support.ports import free_port
from tests.support.processes import ROOT


@pytest.fixture(name="config")
def shipped(tmp_path: Path) -> Path:
    """Copy the shipped configuration."""
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def _settings(config: Path, **environment: str) -> DemoSettings:
    ports = {name: str(free_port()) for name in ("REDIS_PORT", "API_PORT", "PAPER_PORT")}
    return DemoSettings.read({"SHOAL_CONFIG": str(config), **ports, **environment})


def test_the_shipped_configuration_trades_the_demos_own_strategy_and_the_screen_says_so(config: Path) -> None:
    settings = _settings(config)
    assert settings.environment()["SHOAL_STRATEGY"] == str(config / "demo_strategy.toml")
    said = _legend(settings)
    for words in (
        "demo_strategy.toml",
        "names trend, which may wait for hours",
        f"DEMO_STRATEGY={config / 'strategy.toml'}",
    ):
        assert words in said


@pytest.mark.parametrize("name", ["breakout:Breakout", "sma-cross", "none"])
def test_another_strategy_of_the_operators_is_what_the_demo_trades(config: Path, name: str) -> None:
    (config / "strategy.toml").write_text(f'strategy = "{name}"\n')
    settings = _settings(config)
    assert settings.environment()["SHOAL_STRATEGY"] == ""
    assert f"that of {config / 'strategy.toml'}.\n" in _legend(settings)


def test_without_a_file_the_demo_trades_its_own_too_and_without_both_the_default(config: Path) -> None:
    (config / "strategy.toml").unlink()
    assert _settings(config).strategy == config / "demo_strategy.toml"
    (config / "demo_strategy.toml").unlink()
    assert _settings(config).strategy is None


def test_a_file_can_be_chosen_and_must_exist(config: Path) -> None:
    chosen = str(config / "strategy.toml")
    settings = _settings(config, DEMO_STRATEGY=chosen)
    assert settings.environment()["SHOAL_STRATEGY"] == chosen
    assert f"that of {chosen}.\n" in _legend(settings)
    with pytest.raises(ConfigurationError, match=r"DEMO_STRATEGY: nowhere\.toml: there is no such file"):
        _settings(config, DEMO_STRATEGY="nowhere.toml")


def test_the_callers_own_choice_of_a_file_reaches_no_child(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_STRATEGY", "/real/strategy.toml")
    assert _settings(config).environment()["SHOAL_STRATEGY"] == str(config / "demo_strategy.toml")
