"""The demo has a notifier only where something says where messages go, and no other process gets the addresses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.demo.settings import DemoSettings
from shared.config.errors import ConfigurationError
from tests.support.ports import free_port

URL = "json://127.0.0.1:9/Zq8TOKENzq8xyz"


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    shutil.copytree("config", tmp_path / "config")
    ports = {name: str(free_port()) for name in ("REDIS_PORT", "API_PORT", "PAPER_PORT")}
    return {"SHOAL_CONFIG": str(tmp_path / "config"), **ports}


def test_without_an_address_there_is_no_notifier(given: dict[str, str]) -> None:
    assert DemoSettings.read(given).messages is None


def test_an_address_reaches_the_notifier_alone(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_URLS", URL)
    settings = DemoSettings.read(given | {"NOTIFY_URLS": URL})
    assert settings.messages == {"NOTIFY_URLS": URL}
    assert "TOKEN" not in f"{settings!r}{settings.environment()}{settings.environment(keys=True)}"


def test_a_file_that_the_rules_name_is_enough(given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "urls").write_text(URL)
    (tmp_path / "config" / "notifications.toml").write_text(f'urls_file = "{tmp_path / "urls"}"\n')
    assert DemoSettings.read(given).messages == {}


def test_a_wrong_setting_is_refused_before_anything_starts(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="NOTIFY_URL "):
        DemoSettings.read(given | {"NOTIFY_URL": URL})
