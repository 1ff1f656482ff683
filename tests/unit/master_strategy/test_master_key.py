"""Which keys the master has, and what is said when there is none."""

from __future__ import annotations

import pytest

from services.master_strategy.app import master_keys
from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import ApiKey, master_venues
from shared.config.master_accounts import usual_venues
from shared.config.settings import Mode
from shared.domain.account import MASTER

NAMES = [f"{venue}_MASTER_API_{part}" for venue in ("KRAKEN", "COINBASE") for part in ("KEY", "SECRET")]


def keys_of(mode: Mode = Mode.PAPER) -> dict[tuple[str, str], ApiKey | ConfigurationError]:
    return master_keys(mode, [(venue, MASTER) for venue in usual_venues(master_venues(), {})])


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_the_keys_of_each_venue_are_read_in_the_order_in_which_they_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRAKEN_MASTER_API_KEY", "PAPER-abcdefgh")
    monkeypatch.setenv("KRAKEN_MASTER_API_SECRET", "c2VjcmV0")
    [((venue, _), key)] = keys_of().items()
    assert isinstance(key, ApiKey)
    assert (venue, key.key) == ("kraken", "PAPER-abcdefgh")
    monkeypatch.setenv("COINBASE_MASTER_API_KEY", "PAPER/organizations/1/apiKeys/2")
    monkeypatch.setenv("COINBASE_MASTER_API_SECRET", "c2VjcmV0LXRleHQ")
    assert [venue for venue, _ in keys_of()] == ["coinbase", "kraken"]


def test_coinbase_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRAKEN_MASTER_API_KEY", "  ")
    monkeypatch.setenv("COINBASE_MASTER_API_KEY", "organizations/1/apiKeys/2")
    monkeypatch.setenv("COINBASE_MASTER_API_SECRET", "c2VjcmV0LXRleHQ")
    assert [venue for venue, _ in keys_of()] == ["coinbase"]


def test_one_key_that_cannot_be_used_leaves_the_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRAKEN_MASTER_API_KEY", "PAPER-abcdefgh")
    monkeypatch.setenv("KRAKEN_MASTER_API_SECRET", "c2VjcmV0")
    monkeypatch.setenv("COINBASE_MASTER_API_KEY", "PAPER/organizations/1/apiKeys/2")
    coinbase, kraken = keys_of().values()
    assert isinstance(coinbase, ConfigurationError)
    assert "COINBASE_MASTER_API_SECRET" in str(coinbase)
    assert isinstance(kraken, ApiKey)
    monkeypatch.delenv("KRAKEN_MASTER_API_SECRET")
    with pytest.raises(ConfigurationError, match="COINBASE_MASTER_API_SECRET"):
        keys_of()


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_or_blank_key_names_its_variable(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("KRAKEN_MASTER_API_KEY", value)
    with pytest.raises(ConfigurationError, match="KRAKEN_MASTER_API_KEY"):
        keys_of()


def test_live_mode_refuses_a_paper_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRAKEN_MASTER_API_KEY", "PAPERabcdefgh")
    monkeypatch.setenv("KRAKEN_MASTER_API_SECRET", "c2VjcmV0")
    with pytest.raises(ConfigurationError, match="paper key"):
        keys_of(Mode.LIVE)
