"""Users' files: every refusal is one line that names the file and the key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.users import load_users
from shared.domain.policy import GuardPolicy, LimitPolicy, SizingPolicy, UserPolicy

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder without users."""
    (tmp_path / "users").mkdir()
    return tmp_path


def write(config: Path, user: str, text: str = "") -> Path:
    """Write a user's file."""
    path = config / "users" / f"{user}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(config: Path) -> str:
    """Load the users and give the one line that refuses them."""
    with pytest.raises(ConfigurationError) as refused:
        load_users(config)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_an_empty_file_is_a_user_with_the_defaults(config: Path) -> None:
    write(config, "alice")
    assert load_users(config) == {
        "alice": UserPolicy(
            user="alice",
            enabled=True,
            venues=("kraken",),
            sizing=SizingPolicy(Decimal(1)),
            limits=LimitPolicy(None, None),
            guards=GuardPolicy(30_000, Decimal(50)),
        )
    }


def test_every_setting_is_read_exactly(config: Path) -> None:
    write(
        config,
        "bob-2",
        """
        enabled = false
        venues = ["coinbase", "kraken"]
        [sizing]
        mode = "equity"
        multiplier = 0.1
        below_minimum = "skip"
        [limits]
        max_order_pct = 33.3
        max_order_quote = 2000
        [guards]
        max_signal_age = "2m"
        max_slippage_bps = 12.5
        """,
    )
    bob = load_users(config)["bob-2"]
    assert not bob.enabled
    assert bob.venues == ("coinbase", "kraken")
    assert bob.sizing.multiplier == Decimal("0.1")  # not 0.1000000000000000055511151231257827
    assert bob.limits == LimitPolicy(Decimal("33.3"), Decimal(2000))
    assert bob.guards == GuardPolicy(120_000, Decimal("12.5"))


@pytest.mark.parametrize(
    ("written", "ms"), [("30", 30_000), ("0.5", 500), ('"500ms"', 500), ('"45s"', 45_000), ('"1h"', 3_600_000)]
)
def test_an_age_is_seconds_or_says_its_unit(config: Path, written: str, ms: int) -> None:
    write(config, "alice", f"guards.max_signal_age = {written}")
    assert load_users(config)["alice"].guards.max_signal_age_ms == ms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_order_pct = 5", "max_order_pct is not a known setting"),
        ("limits.max_order_percent = 5", "limits.max_order_percent is not a known setting"),
        ('api_key = "abc"', "api_key is not a known setting"),
        ("enabled = 2", "enabled: "),
        ("venues = []", "venues: "),
        ('venues = ["binance"]', "venues.0: Input should be 'kraken' or 'coinbase' (got 'binance')"),
        ('venues = "kraken"', "venues: "),
        ('sizing.mode = "fixed"', "sizing.mode: Input should be 'equity', 'cash', 'fixed_quote' or 'multiplier' (got 'fixed')"),
        ("sizing.multiplier = 0", "sizing.multiplier: Input should be greater than 0 (got 0)"),
        ("sizing.multiplier = -1", "sizing.multiplier: Input should be greater than 0"),
        ("sizing.multiplier = 101", "sizing.multiplier: "),
        ("sizing.multiplier = nan", "sizing.multiplier: "),
        ("sizing.multiplier = inf", "sizing.multiplier: "),
        ("sizing.multiplier = true", "sizing.multiplier: "),
        ('sizing.below_minimum = "bump"', "sizing.below_minimum: Input should be 'skip' or 'round_up' (got 'bump')"),
        ("limits.max_order_pct = 0", "limits.max_order_pct: "),
        ("limits.max_order_pct = 100.5", "limits.max_order_pct: "),
        ("limits.max_order_quote = -5", "limits.max_order_quote: "),
        ("limits.max_order_quote = inf", "limits.max_order_quote: "),
        ("guards.max_signal_age = 0", "guards.max_signal_age: "),
        ("guards.max_signal_age = -1", "guards.max_signal_age: "),
        ("guards.max_signal_age = inf", "guards.max_signal_age: must be a number of seconds, or a text like"),
        ("guards.max_signal_age = nan", "guards.max_signal_age: must be a number of seconds, or a text like"),
        ("guards.max_signal_age = true", "guards.max_signal_age: must be a number of seconds, or a text like"),
        ('guards.max_signal_age = "30 seconds"', "guards.max_signal_age: must be a number of seconds, or a text like"),
        ('guards.max_signal_age = "2h"', "guards.max_signal_age: Input should be less than or equal to 3600000"),
        ("guards.max_slippage_bps = -1", "guards.max_slippage_bps: "),
        ("guards.max_slippage_bps = 1001", "guards.max_slippage_bps: "),
        ("guards = 5", "guards: "),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(config: Path, text: str, words: str) -> None:
    path = write(config, "alice", text)
    assert refusal(config).startswith(f"{path}: {words}")


def test_malformed_toml_is_named_with_its_place(config: Path) -> None:
    path = write(config, "alice", "enabled = true\nvenues = kraken")
    assert refusal(config).startswith(f"{path}: not valid TOML: ")
    assert "line 2" in refusal(config)


def test_a_file_that_is_no_text_or_cannot_be_read_is_named(config: Path) -> None:
    path = config / "users" / "alice.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal(config).startswith(f"{path}: cannot be read: ")
    path.unlink()
    path.mkdir()
    assert refusal(config).startswith(f"{path}: cannot be read: ")


@pytest.mark.parametrize("user", ["master", "copy-engine", "prices-kraken"])
def test_a_name_of_shoals_own_is_refused(config: Path, user: str) -> None:
    path = write(config, user)
    assert refusal(config) == f"{path}: {user} is a name of Shoal's own; choose another user id"


@pytest.mark.parametrize("user", ["Alice", "al ice", "-alice", "al.ice", "alice\n", "{alice}", "a" * 33, "älice"])
def test_a_user_id_that_would_not_do_as_key_or_variable_is_refused(config: Path, user: str) -> None:
    path = write(config, user)
    with pytest.raises(ConfigurationError) as refused:
        load_users(config)
    assert str(refused.value).startswith(f"{path}: a user id has up to 32 of a-z, 0-9, - and _")


def test_two_ids_that_would_share_one_key_variable_are_refused(config: Path) -> None:
    write(config, "ann-lee")
    write(config, "ann_lee")
    assert refusal(config).endswith("the users ann-lee and ann_lee would share one key variable; rename one")


def test_one_wrong_file_among_good_ones_is_the_one_that_is_named(config: Path) -> None:
    write(config, "alice")
    path = write(config, "bob", "enabld = true")
    assert refusal(config) == f"{path}: enabld is not a known setting"


def test_a_folder_that_is_missing_is_named_with_its_variable(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere") == (
        f"{tmp_path / 'nowhere' / 'users'} is not a folder: SHOAL_CONFIG must hold users/<user>.toml"
    )


def test_users_come_in_alphabetical_order_and_other_files_are_left_alone(config: Path) -> None:
    for user in ("zoe", "alice", "mia"):
        write(config, user)
    (config / "users" / "README.md").write_text("not a user")
    assert list(load_users(config)) == ["alice", "mia", "zoe"]


def test_the_users_that_ship_with_shoal_can_be_read() -> None:
    assert {"alice", "bob", "carol"} <= set(load_users(ROOT / "config"))
