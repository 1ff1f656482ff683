"""Which accounts the master has by its files, which of them a strategy trades, and whose key is whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import key_names, keys_without_user, master_venues, read_api_key
from shared.config.master_accounts import MasterAccountChoice, TradedAccount, master_accounts, usual_venues
from shared.config.masters import load_master_files
from shared.config.settings import Mode
from shared.config.strategy_choice import read_strategy_choice
from shared.strategies.settings import load_strategy

KRAKEN = "KRAKEN_MASTER_API"
SWING = "KRAKEN_MASTER_SWING_API"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "masters").mkdir()
    return tmp_path


def master(config: Path, name: str, text: str) -> None:
    (config / "masters" / f"{name}.toml").write_text(text)


def accounts(
    config: Path, *usual: str, master: str = "", venue: str = "", trades: bool = True
) -> list[MasterAccountChoice]:
    return master_accounts(
        config, load_master_files(config), usual, TradedAccount(trades, venue, master, config / "strategy.toml")
    )


def test_without_files_nothing_is_further_and_the_usual_account_is_traded(tmp_path: Path) -> None:
    assert accounts(tmp_path, "coinbase", "kraken") == [
        MasterAccountChoice("master", "coinbase"),
        MasterAccountChoice("master", "kraken", traded=True),
    ]
    assert usual_venues((), {}) == ("kraken",)


def test_a_file_without_a_key_names_the_usual_account(config: Path) -> None:
    master(config, "swing", 'venue = "kraken"\nsource = "strategy"\nsymbols = ["BTC/USD"]')
    (account,) = accounts(config, "kraken")
    assert (account.owner, account.key_owner, account.name, account.traded) == ("master", "master", "swing", True)
    assert [str(each) for each in account.symbols] == ["BTC/USD"]


def test_a_file_with_a_key_is_a_further_account_at_its_venue(config: Path) -> None:
    master(config, "swing", 'venue = "kraken"\nkey = "bot-1"')
    master(config, "trend", 'venue = "kraken"\nkey = "trend"')
    found = accounts(config, "kraken")
    assert [(each.owner, each.key_owner, each.traded) for each in found] == [
        ("master", "master", True),
        ("master.swing", "master.bot-1", False),
        ("master.trend", "master.trend", False),
    ]
    assert usual_venues((), load_master_files(config)) == ()


def test_the_strategy_file_names_the_master_that_is_traded(config: Path) -> None:
    master(config, "swing", 'venue = "kraken"\nkey = "swing"\nsource = "strategy"')
    assert [each.traded for each in accounts(config, "kraken", master="swing")] == [False, True]
    (config / "strategy.toml").write_text('strategy = "sma-cross"\nmaster = "swing"')
    assert load_strategy(config).master == read_strategy_choice(config, Mode.PAPER).master == "swing"


@pytest.mark.parametrize(
    ("text", "chosen", "words"),
    [
        ('venue = "kraken"\nkey = "swing"\nsource = "account"', {"master": "swing"}, 'swing.toml: source is "account"'),
        (
            'venue = "kraken"\nkey = "swing"\nsource = "strategy"',
            {},
            'swing.toml: source is "strategy", but no strategy',
        ),
        ('venue = "kraken"\nsource = "account"', {}, 'swing.toml: source is "account"'),
        (
            'venue = "kraken"\nkey = "swing"',
            {"master": "trend"},
            "master is 'trend', but there is no file masters/trend.toml",
        ),
        (
            'venue = "kraken"\nkey = "swing"',
            {"master": "swing", "venue": "coinbase"},
            "venue is 'coinbase', but that of",
        ),
        ('venue = "coinbase"', {"master": "swing"}, "venue is 'coinbase', but the master has no API key there"),
        ('venue = "kraken"\nkey = "Bot"', {}, "key: the name of a key has up to 32"),
        ('venue = "kraken"\nsource = "me"', {}, "source: must be 'strategy' or 'account'"),
        ('venue = "kraken"\nsymbols = ["BTC"]', {}, "symbols"),
    ],
)
def test_what_does_not_fit_together_is_one_line(config: Path, text: str, chosen: dict[str, str], words: str) -> None:
    master(config, "swing", text)
    with pytest.raises(ConfigurationError) as caught:
        accounts(config, "kraken", **chosen)  # type: ignore[arg-type]  # texts only
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_files_may_not_name_one_key(config: Path) -> None:
    master(config, "swing", 'venue = "kraken"\nkey = "bot-1"')
    master(config, "trend", 'venue = "kraken"\nkey = "bot_1"')  # the same variables
    with pytest.raises(ConfigurationError, match="which at kraken is that of swing"):
        load_master_files(config)
    master(config, "trend", 'venue = "coinbase"\nkey = "bot-1"')
    assert len(load_master_files(config)) == 2


def test_a_further_key_has_variables_and_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{SWING}_KEY", "PAPER-swing")
    monkeypatch.setenv(f"{SWING}_SECRET", "c2VjcmV0")
    assert read_api_key("kraken", "master.swing", Mode.PAPER).key == "PAPER-swing"
    assert master_venues() == ()  # it is no key of the usual account
    assert keys_without_user([]) == []
    monkeypatch.delenv(f"{SWING}_KEY")
    folder = tmp_path / "kraken" / "master.swing"
    folder.mkdir(parents=True)
    for part, text in (("key", "PAPER-of-a-file"), ("secret", "c2VjcmV0")):
        (folder / part).write_text(text)
        (folder / part).chmod(0o600)
    monkeypatch.delenv(f"{SWING}_SECRET")
    monkeypatch.setenv("SHOAL_SECRETS", str(tmp_path))
    assert read_api_key("kraken", "master.swing", Mode.PAPER).key == "PAPER-of-a-file"
    assert keys_without_user([]) == []


def test_two_accounts_with_one_key_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for stem in (KRAKEN, SWING):
        monkeypatch.setenv(f"{stem}_KEY", "PAPER-one-key")
        monkeypatch.setenv(f"{stem}_SECRET", "c2VjcmV0")
    assert [sorted(names) for names in key_names().values()] == [[f"{KRAKEN}_KEY", f"{SWING}_KEY"]]
    for owner in ("master", "master.swing"):
        with pytest.raises(ConfigurationError, match="hold the same key; every account needs its own"):
            read_api_key("kraken", owner, Mode.PAPER)
