"""Which key the master trades with, and what is said when there is none."""

from __future__ import annotations

import pytest

from services.master_strategy.app import master_key
from shared.config.errors import ConfigurationError
from shared.config.settings import Mode

NAMES = [f"{venue}_MASTER_API_{part}" for venue in ("KRAKEN", "COINBASE") for part in ("KEY", "SECRET")]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_krakens_key_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRAKEN_MASTER_API_KEY", "PAPER-abcdefgh")
    monkeypatch.setenv("KRAKEN_MASTER_API_SECRET", "c2VjcmV0")
    assert master_key(Mode.PAPER).key == "PAPER-abcdefgh"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_or_blank_key_names_its_variable(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("KRAKEN_MASTER_API_KEY", value)
    with pytest.raises(ConfigurationError, match="KRAKEN_MASTER_API_KEY"):
        master_key(Mode.PAPER)


def test_a_coinbase_key_alone_says_that_it_is_not_supported_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINBASE_MASTER_API_KEY", "organizations/1/apiKeys/2")
    monkeypatch.setenv("COINBASE_MASTER_API_SECRET", "c2VjcmV0LXRleHQ")
    with pytest.raises(ConfigurationError, match="Coinbase is not supported yet") as refused:
        master_key(Mode.PAPER)
    assert "c2VjcmV0" not in str(refused.value)


def test_live_mode_refuses_a_paper_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRAKEN_MASTER_API_KEY", "PAPERabcdefgh")
    monkeypatch.setenv("KRAKEN_MASTER_API_SECRET", "c2VjcmV0")
    with pytest.raises(ConfigurationError, match="paper key"):
        master_key(Mode.LIVE)
