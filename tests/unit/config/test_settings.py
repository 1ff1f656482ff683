"""Wrong settings stop the start with one line that names the variable; paper can never reach a real venue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.settings import Mode, load_settings
from shared.domain.funds import Funds


def refusal() -> str:
    """Load the settings and give the one line that refuses them."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_without_any_setting_everything_is_paper_on_this_machine(env: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert settings.shoal_mode is Mode.PAPER
    assert settings.venue_url("kraken") == settings.venue_url("coinbase") == "http://127.0.0.1:8100"
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert (settings.api_host, settings.api_port, settings.paper_port) == ("127.0.0.1", 8000, 8100)
    assert (settings.executor_users, settings.executor_capacity) == ((), 1)
    assert settings.kraken_tier is None
    assert settings.shoal_config == Path("config")


def test_a_blank_variable_is_one_that_is_not_set(env: pytest.MonkeyPatch) -> None:
    for name in ("SHOAL_MODE", "KRAKEN_URL", "API_PORT", "EXECUTOR_USERS", "LOG_FORMAT"):
        env.setenv(name, "")
    assert load_settings().shoal_mode is Mode.PAPER


@pytest.mark.parametrize("name", ["SHOAL_MOOD", "SHOAL_MODE_", "SHOAL_"])
def test_an_unknown_shoal_variable_is_named_with_those_that_are_known(env: pytest.MonkeyPatch, name: str) -> None:
    env.setenv(name, "live")
    assert (
        refusal() == f"unknown environment variable {name} (known: SHOAL_CONFIG, SHOAL_CONFIG_SOURCE, "
        "SHOAL_IDENTITY_FILE, SHOAL_MODE, SHOAL_SECRETS, SHOAL_STRATEGY)"
    )


@pytest.mark.parametrize("mode", ["Live", "real", "demo", "paper,live"])
def test_an_unknown_mode_is_refused(env: pytest.MonkeyPatch, mode: str) -> None:
    env.setenv("SHOAL_MODE", mode)
    assert refusal() == f"SHOAL_MODE: must be 'paper' or 'live' (got {mode!r})"


@pytest.mark.parametrize("name", ["KRAKEN_URL", "COINBASE_URL", "PAPER_URL", "PAPER_PRICES_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1",
        "127.0.0.1:8100",
        "http://",
        "http://[bad",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "http://alice:password@127.0.0.1",
    ],
)
def test_a_bad_url_is_refused(env: pytest.MonkeyPatch, name: str, url: str) -> None:
    env.setenv(name, url)
    assert refusal().startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "0"),
        ("API_PORT", "70000"),
        ("PAPER_PORT", "http"),
        ("EXECUTOR_CAPACITY", "0"),
        ("EXECUTOR_CAPACITY", "many"),
        ("KRAKEN_TIER", "gold"),
        ("KRAKEN_TIER", "Pro"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(env: pytest.MonkeyPatch, name: str, value: str) -> None:
    env.setenv(name, value)
    assert refusal().startswith(f"{name}: ")
    assert refusal().endswith(f"(got {value!r})")


def test_every_wrong_variable_is_named_at_once(env: pytest.MonkeyPatch) -> None:
    env.setenv("API_PORT", "x")
    env.setenv("LOG_FORMAT", "x")
    assert "API_PORT: " in refusal()
    assert "LOG_FORMAT: " in refusal()


def test_a_redis_url_of_another_scheme_is_refused_without_repeating_its_password(env: pytest.MonkeyPatch) -> None:
    env.setenv("REDIS_URL", "http://:hunter22@redis:6379")
    assert refusal() == "REDIS_URL: must start with redis://, rediss://, redis+sentinel://, redis+cluster:// or unix://"


@pytest.mark.parametrize("name", ["KRAKEN_URL", "COINBASE_URL", "PAPER_URL", "PAPER_PRICES_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "https://api.kraken.com",
        "https://api.coinbase.com",
        "https://API.Kraken.COM/",
        "https://api.kraken.com.",
        "http://kraken.com:8100",
        "https://futures.kraken.com",
    ],
)
def test_paper_mode_refuses_a_real_venue(env: pytest.MonkeyPatch, name: str, url: str) -> None:
    env.setenv(name, url)
    assert refusal().startswith(f"{name} is {url.rstrip('/')}, but SHOAL_MODE is paper")


@pytest.mark.parametrize("userinfo", ["127.0.0.1:8100@", "127.0.0.1\\@"])
def test_paper_mode_refuses_a_real_venue_behind_a_harmless_looking_name(env: pytest.MonkeyPatch, userinfo: str) -> None:
    env.setenv("PAPER_URL", f"http://{userinfo}api.kraken.com")
    assert "PAPER_URL" in refusal()
    env.setenv("PAPER_URL", "http://api.kraken.com\\@127.0.0.1:8100")
    assert "PAPER_URL" in refusal()


def test_paper_mode_with_a_real_venue_as_its_paper_exchange_is_refused_even_if_both_urls_agree(
    env: pytest.MonkeyPatch,
) -> None:
    env.setenv("PAPER_URL", "https://api.kraken.com")
    env.setenv("KRAKEN_URL", "https://api.kraken.com")
    assert "SHOAL_MODE is paper" in refusal()


def test_paper_mode_refuses_any_host_that_is_not_its_own_exchange(env: pytest.MonkeyPatch) -> None:
    env.setenv("KRAKEN_URL", "https://proxy.example.org")
    assert refusal().startswith("KRAKEN_URL is https://proxy.example.org, but SHOAL_MODE is paper")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"])
def test_paper_mode_takes_a_loopback_address(env: pytest.MonkeyPatch, url: str) -> None:
    env.setenv("KRAKEN_URL", url + "/")
    settings = load_settings()
    assert settings.venue_url("kraken") == url
    assert settings.venue_url("coinbase") == "http://127.0.0.1:8100"


def test_paper_mode_takes_its_own_exchange_by_name(env: pytest.MonkeyPatch) -> None:
    env.setenv("PAPER_URL", "http://paper-exchange:8100")
    env.setenv("KRAKEN_URL", "http://paper-exchange:8100")
    assert load_settings().venue_url("coinbase") == "http://paper-exchange:8100"


def test_live_mode_means_the_real_venues(env: pytest.MonkeyPatch) -> None:
    env.setenv("SHOAL_MODE", "live")
    settings = load_settings()
    assert settings.venue_url("kraken") == "https://api.kraken.com"
    assert settings.venue_url("coinbase") == "https://api.coinbase.com"


@pytest.mark.parametrize("name", ["KRAKEN_URL", "COINBASE_URL"])
def test_live_mode_refuses_an_unencrypted_venue(env: pytest.MonkeyPatch, name: str) -> None:
    env.setenv("SHOAL_MODE", "live")
    env.setenv(name, "http://api.kraken.com")
    assert refusal() == f"{name} must be https:// when SHOAL_MODE is live"


def test_live_mode_refuses_a_real_venue_as_the_paper_exchange_of_those_on_paper_money(env: pytest.MonkeyPatch) -> None:
    env.setenv("SHOAL_MODE", "live")
    env.setenv("PAPER_URL", "https://api.kraken.com")
    assert refusal() == "PAPER_URL is https://api.kraken.com: a real venue is not a paper exchange"


def test_money_is_real_in_live_mode_for_users_who_are_not_on_paper(env: pytest.MonkeyPatch) -> None:
    paper = load_settings()
    env.setenv("SHOAL_MODE", "live")
    live = load_settings()
    assert (paper.funds(paper=False), paper.funds(paper=True)) == (Funds.PAPER, Funds.PAPER)
    assert (live.funds(paper=False), live.funds(paper=True)) == (Funds.LIVE, Funds.PAPER)


def test_the_paper_exchange_makes_its_own_prices_unless_it_is_told_of_others(env: pytest.MonkeyPatch) -> None:
    assert load_settings().prices_url == ""
    env.setenv("PAPER_PRICES_URL", "http://127.0.0.1:9000/")
    assert load_settings().prices_url == "http://127.0.0.1:9000"


def test_in_live_mode_the_paper_exchange_takes_the_real_venues_prices(env: pytest.MonkeyPatch) -> None:
    env.setenv("SHOAL_MODE", "live")
    assert load_settings().prices_url == "https://api.kraken.com"
    env.setenv("KRAKEN_URL", "https://kraken.example.org")
    assert load_settings().prices_url == "https://kraken.example.org"
    env.setenv("PAPER_PRICES_URL", "http://prices.example.org")
    assert load_settings().prices_url == "http://prices.example.org"


def test_pinned_users_are_a_comma_list(env: pytest.MonkeyPatch) -> None:
    env.setenv("EXECUTOR_USERS", " alice, bob ,,")
    assert load_settings().executor_users == ("alice", "bob")


def test_settings_do_not_change_once_read(env: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.shoal_mode = Mode.LIVE  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("KRAKEN_TEIR", "(did you mean KRAKEN_TIER?)"),
        ("KRAKEN_API_KEY", "(did you mean KRAKEN_MASTER_API_KEY?)"),
        ("KRAKEN_USER_ALICE_APIKEY", "(a user's key: KRAKEN_USER_<NAME>_API_KEY and "),
        ("KRAKEN_USER_alice_API_KEY", "(a user's key: KRAKEN_USER_<NAME>_API_KEY and "),
        ("COINBASE_ULR", "(did you mean COINBASE_URL?)"),
        ("COINBASE_MASTER_API_SECRETS", "(did you mean COINBASE_MASTER_API_SECRET?)"),
        ("EXECUTOR_CAPACTIY", "(did you mean EXECUTOR_CAPACITY?)"),
        ("EXECUTOR_USER", "(did you mean EXECUTOR_USERS?)"),
    ],
)
def test_a_misspelt_variable_under_a_prefix_of_ours_is_refused_with_the_nearest_name(
    env: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    """Case N13."""
    env.setenv(name, "secret-value")
    assert refusal().startswith(f"unknown environment variable {name} {hint}")
    assert "secret-value" not in refusal()


@pytest.mark.parametrize(
    "name", ["API_TOKEN", "PAPER_SIZE", "EXECUTORS", "PAPER_EXCHANGES", "KRAKENX", "IMAGE", "REDIS_PORT"]
)
def test_variables_that_may_belong_to_others_are_left_alone(env: pytest.MonkeyPatch, name: str) -> None:
    env.setenv(name, "x")
    load_settings()


def test_every_variable_that_ships_with_shoal_is_known(env: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[3]
    example = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", (root / ".env.example").read_text(), re.MULTILINE)
    compose = re.findall(r"^\s+([A-Z][A-Z0-9_]*): ", (root / "docker-compose.yml").read_text(), re.MULTILINE)
    paper = re.findall(r"^([A-Z][A-Z0-9_]*)=", (root / "config" / "paper.env").read_text(), re.MULTILINE)
    assert {"KRAKEN_TIER", "KRAKEN_USER_ALICE_API_KEY", "EXECUTOR_CAPACITY"} <= {*example, *compose, *paper}
    for name in {*example, *compose, *paper}:
        env.setenv(name, "")
    load_settings()
