"""What must hold before real money moves: one check a line, and no key in any of them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.preflight import CheckStatus, check_key, check_strategy, preflight, require_green
from shared.config.settings import Settings, load_settings
from shared.domain.account import MASTER

SECRET = base64.b64encode(b"s" * 64).decode()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and an environment with which going live is right."""
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "alice.toml").write_text("[limits]\nmax_order_quote = 20\n")
    (tmp_path / "strategy.toml").write_text('name = "none"\n')
    (tmp_path / ".env").write_text("SHOAL_MODE=live\n")
    (tmp_path / ".env").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOAL_MODE", "live")
    monkeypatch.setenv("SHOAL_CONFIG", str(tmp_path))
    for who in ("MASTER", "USER_ALICE"):
        monkeypatch.setenv(f"KRAKEN_{who}_API_KEY", f"{who}+key+of+kraken" * 3)
        monkeypatch.setenv(f"KRAKEN_{who}_API_SECRET", SECRET)
    return tmp_path


def statuses() -> dict[str, CheckStatus]:
    """Return the status of each check; of several with one name, the first that is not green."""
    found: dict[str, CheckStatus] = {}
    for each in preflight(load_settings()):
        if found.get(each.name, CheckStatus.GREEN) is CheckStatus.GREEN:
            found[each.name] = each.status
    return found


def red(name: str) -> str:
    found = next(each for each in preflight(load_settings()) if each.name == name)
    assert found.status is CheckStatus.RED
    assert "\n" not in found.text
    return found.text


def test_everything_is_green_where_everything_is_right(config: Path) -> None:
    """Case N2."""
    assert set(statuses().values()) == {CheckStatus.GREEN}
    require_green(load_settings(), check_strategy, lambda settings: check_key(settings, MASTER))


@pytest.mark.parametrize(
    ("variable", "value", "name", "says"),
    [
        ("SHOAL_MODE", "paper", "mode", "set SHOAL_MODE=live"),
        ("KRAKEN_MASTER_API_KEY", "", "key of master", "KRAKEN_MASTER_API_KEY is blank"),
        ("KRAKEN_MASTER_API_KEY", "your-key-here", "key of master", "holds a placeholder"),
        ("KRAKEN_MASTER_API_KEY", "PAPER-DEMO", "key of master", "is a paper key"),
        ("KRAKEN_USER_ALICE_API_SECRET", "not base64!", "key of alice", "not the base64 text"),
        ("KRAKEN_USER_ALICE_API_KEY", "MASTER+key+of+kraken" * 3, "key of alice", "hold the same key"),
    ],
)
def test_a_wrong_variable_is_red(
    config: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, name: str, says: str
) -> None:
    """Case N2: keys present, no placeholders, of the right money, one for each account."""
    monkeypatch.setenv(variable, value)
    assert says in red(name)


@pytest.mark.parametrize(
    ("file", "text", "name", "says"),
    [
        ("strategy.toml", 'name = "sma-cross"\n', "strategy", "trade_live = true"),
        ("strategy.toml", "name = \n", "strategy", "not valid TOML"),
        ("users/alice.toml", "enabled = false\n", "users", "no enabled user"),
        ("users/bob.toml", "enabeld = true\n", "users", "bob.toml"),
    ],
)
def test_a_wrong_file_is_red(config: Path, file: str, text: str, name: str, says: str) -> None:
    """Case N2."""
    (config / file).write_text(text)
    assert says in red(name)


def test_an_env_file_that_others_can_read_is_red(config: Path) -> None:
    """Cases N2 and S12."""
    (config / ".env").chmod(0o644)
    assert "chmod 600" in red(".env")
    with pytest.raises(ConfigurationError, match="chmod 600"):
        require_green(load_settings())
    (config / ".env").unlink()
    assert statuses()[".env"] is CheckStatus.GREEN


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("strategy.toml", "", "strategy"),
        ("strategy.toml", 'name = "sma-cross"\ntrade_live = true\n', "strategy"),
        ("users/alice.toml", "enabled = true\n", "limits"),
    ],
)
def test_what_is_allowed_and_should_be_known_is_yellow(config: Path, file: str, text: str, name: str) -> None:
    """Case N2: no limit on an order, a strategy that will trade, a strategy that is nowhere named."""
    (config / file).write_text(text)
    assert statuses()[name] is CheckStatus.YELLOW


def test_a_strategy_that_trades_where_the_master_has_no_key_is_red(config: Path) -> None:
    (config / "strategy.toml").write_text('name = "none"\nvenue = "coinbase"\n')
    assert "venue is 'coinbase', but the master has no API key there" in red("strategy")
    (config / "strategy.toml").write_text('name = "none"\nvenue = "kraken"\n')
    assert statuses()["strategy"] is CheckStatus.GREEN


def test_another_address_of_the_venue_is_yellow_and_the_paper_exchange_red(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case N2: the paper exchange is never the venue of live orders."""
    monkeypatch.setenv("KRAKEN_URL", "https://proxy.internal")
    assert CheckStatus.YELLOW in {each.status for each in preflight(load_settings()) if each.name == "venue"}
    monkeypatch.setenv("PAPER_URL", "https://proxy.internal")
    assert "which is the paper exchange" in red("venue")


def test_a_live_service_refuses_to_start_on_red_and_a_paper_one_never_looks(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case N2."""
    (config / "strategy.toml").write_text('name = "sma-cross"\n')
    with pytest.raises(ConfigurationError, match="trade_live"):
        require_green(load_settings(), check_strategy)
    monkeypatch.setenv("SHOAL_MODE", "paper")
    require_green(load_settings(), check_strategy)


def test_no_key_is_ever_shown(config: Path) -> None:
    """Case N2: what is shown of a key is its fingerprint."""
    shown = " ".join(each.text for each in preflight(Settings()))
    assert "key+of+kraken" not in shown
    assert SECRET not in shown
