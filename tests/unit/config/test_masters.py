"""`config/masters/<name>.toml` and `[follow.<name>]`: names, one-line errors, and nothing without them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.masters import load_masters, name_at
from shared.config.users.changes import settings_of
from shared.config.users.loader import load_users
from shared.config.users.text import read_settings, write_settings
from shared.domain.limits.policy import FollowedMaster, UserPolicy
from shared.domain.order import Decision
from shared.domain.own_exit import own_exit
from shared.domain.position import Position
from tests.support.examples import BTC_USD, NOW, btc, usd

SWING = '[follow.swing]\nvenue = "kraken"\nshare_pct = 30\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "users").mkdir()
    (tmp_path / "masters").mkdir()
    return tmp_path


def master(config: Path, name: str, text: str = 'venue = "coinbase"\n') -> None:
    (config / "masters" / f"{name}.toml").write_text(text)


def alice(config: Path, text: str) -> UserPolicy:
    (config / "users" / "alice.toml").write_text(text)
    return load_users(config)["alice"]


def test_without_files_every_master_is_named_after_its_venue(tmp_path: Path) -> None:
    assert load_masters(tmp_path) == {}
    assert name_at({}, "kraken") == ""


def test_a_file_names_the_master_of_a_venue(config: Path) -> None:
    master(config, "swing")
    (config / "masters" / ".swing.toml.swp").write_text("not TOML")
    (config / "masters" / "README.md").write_text("not TOML")
    assert load_masters(config) == {"swing": "coinbase"}
    assert name_at({"swing": "coinbase"}, "coinbase") == "swing"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("swing", "", "venue: is missing"),
        ("swing", 'venue = "mars"', "venue: must be 'kraken' or 'coinbase' (got 'mars')"),
        ("swing", 'venue = "kraken"\ncolour = 1', "colour is not a known setting"),
        ("swing", "venue", "not valid TOML"),
        ("Swing", 'venue = "kraken"', "a master's name has up to 32"),
        ("kraken", 'venue = "kraken"', "a master's name has up to 32"),
        ("master", 'venue = "kraken"', "a master's name has up to 32"),
    ],
)
def test_an_error_is_one_line_that_names_the_file(config: Path, name: str, text: str, words: str) -> None:
    master(config, name, text)
    with pytest.raises(ConfigurationError) as caught:
        load_masters(config)
    assert str(caught.value).startswith(f"{config / 'masters' / name}.toml: {words}")
    assert "\n" not in str(caught.value)


def test_an_account_has_one_name(config: Path) -> None:
    master(config, "swing")
    master(config, "trend")
    with pytest.raises(ConfigurationError, match=r"trend\.toml: venue is coinbase, which is that of swing"):
        load_masters(config)


def test_a_user_follows_a_named_master_beside_that_of_the_venue(config: Path) -> None:
    master(config, "swing")
    policy = alice(config, SWING)
    assert policy.masters == (FollowedMaster("swing", "kraken", Decimal(30)),)
    assert (policy.venue_for("swing"), policy.venue_for("kraken"), policy.master_at("kraken")) == (
        "kraken",
        "kraken",
        "kraken",
    )
    assert not policy.fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[follow]\nswing = "kraken"', "follow.swing is not a known setting; a named master has a table"),
        ('[follow.swing]\nvenue = "kraken"', "follow.swing.share_pct: is missing"),
        ('[follow.swing]\nvenue = "coinbase"\nshare_pct = 5', "follow.swing.venue is coinbase, which is not among"),
        ('[follow.swing]\nvenue = "kraken"\nshare_pct = 0', "follow.swing.share_pct: must be above 0"),
        ('[follow.swing]\nvenue = "kraken"\nshare_pct = 101', "follow.swing.share_pct: must be"),
        ('[follow.swing]\nvenue = "kraken"\nshare_pct = 5\nx = 1', "follow.swing.x is not a known setting"),
        ('[follow.Swing]\nvenue = "kraken"\nshare_pct = 5', "follow: 'Swing' is neither a venue nor the name"),
        (f'orders = "mirror"\n{SWING}', 'orders = "mirror" mirrors the masters of venues only'),
        (
            f"{SWING}{SWING.replace('swing', 'b').replace('30', '71')}",
            "the share_pct of the named masters add up to 101",
        ),
        ('[follow.trend]\nvenue = "kraken"\nshare_pct = 5', "follow.trend: there is no file masters/<name>.toml"),
    ],
)
def test_a_wrong_table_is_named_and_no_entry_is_copied(config: Path, text: str, words: str) -> None:
    master(config, "swing")
    policy = alice(config, text)
    assert policy.fault.startswith(f"{config / 'users' / 'alice.toml'}: {words}"), policy.fault


def test_a_broken_file_of_a_master_stops_the_entries_of_its_followers_alone(config: Path) -> None:
    master(config, "swing", "venue")
    (config / "users" / "bob.toml").write_text("")
    assert "not valid TOML" in alice(config, SWING).fault
    assert not load_users(config)["bob"].fault


def test_the_last_settings_and_the_changes_name_the_masters(config: Path) -> None:
    master(config, "swing")
    policy = alice(config, SWING)
    assert read_settings("alice", write_settings(policy)) == policy
    assert settings_of(policy)["follow.swing"] == "30 % on kraken"
    assert "follow.swing" not in settings_of(alice(config, ""))


def test_the_id_of_an_own_exit_is_as_ever_for_the_main_book_and_another_for_each_master() -> None:
    held = Position.flat(BTC_USD, NOW).bought(btc("1"), usd(100), NOW)

    def decided(master: str) -> Decision:
        return own_exit("alice", "kraken", held, "stop_loss", "words", NOW, master=master)

    assert decided("").id == "da61a1df-374d-53ee-8d0d-2634d2886c1b"
    assert len({decided(each).id for each in ("", "swing", "trend")}) == 3
