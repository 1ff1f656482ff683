"""The settings of the notifier: every error is one line, and none contains an address."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from services.notifier.delivery.target import open_targets
from shared.config.errors import ConfigurationError
from shared.config.notifications import Event, NotifySettings, QuietHours, Volume, load_notify_settings
from shared.config.settings import Mode

SECRET = "Zq8TOKENzq8"
URL = f"json://127.0.0.1:9/{SECRET}"


def load(folder: Path, toml: str | None = None, **environment: str) -> NotifySettings | None:
    if toml is not None:
        (folder / "notifications.toml").write_text(toml)
    return load_notify_settings(environment, folder, Mode.PAPER)


def test_nothing_set_is_nothing_to_do(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert load(tmp_path, NOTIFY_URLS="", NOTIFY_URLS_FILE=" ") is None


def test_addresses_are_separated_by_blanks_or_by_a_comma_before_the_next(tmp_path: Path) -> None:
    settings = load(tmp_path, NOTIFY_URLS=f"{URL}, mailto://a:b@c.org?to=x,y  json://z\n{URL}")
    assert settings is not None
    assert settings.urls == (URL, "mailto://a:b@c.org?to=x,y", "json://z")
    assert SECRET not in repr(settings)
    assert settings.volume(Event.PARKED) is Volume.ON
    assert settings.volume(Event.FAULT) is Volume.SILENT


def test_a_file_holds_one_address_a_line_and_comments(tmp_path: Path) -> None:
    urls = tmp_path / "urls"
    urls.write_text(f"# the phone\n{URL}\n\njson://b\n")
    settings = load(tmp_path, NOTIFY_URLS_FILE=str(urls))
    assert settings is not None
    assert settings.urls == (URL, "json://b")
    again = load(tmp_path, f"urls_file = '{urls}'")
    assert again is not None
    assert again.urls == settings.urls


def test_the_rules(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        timezone = "Europe/Berlin"
        summary_at = "06:30"
        quiet = "22:00-07:00"
        unknown_after_seconds = 90
        collect_seconds = 300
        critical = ["parked"]
        [events]
        stream = "silent"
        dead_letter = "off"
        """,
        NOTIFY_URLS=URL,
    )
    assert settings is not None
    assert settings.summary_at == time(6, 30)
    assert settings.quiet == QuietHours(time(22, 0), time(7, 0))
    assert (settings.unknown_after_ms, settings.collect_ms) == (90_000, 300_000)
    assert settings.critical == {Event.PARKED}
    assert settings.volume(Event.STREAM) is Volume.SILENT
    assert settings.volume(Event.DEAD_LETTER) is Volume.OFF


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('timezone = "Mars"', "timezone: must be"),
        ('summary_at = "25:00"', 'summary_at: must be a time of day such as "08:00"'),
        ('quiet = "22:00"', "quiet: must be"),
        ('quiet = "22:00-22:00"', "begins when it ends"),
        ("collect_seconds = 1", "collect_seconds: must be at least 5"),
        ("[events]\nparked = 'loud'", "events.parked: must be"),
        ("[events]\nparkd = 'on'", "events.parkd"),
        ('critical = ["nothing"]', "critical"),
        (f'urls = ["{URL}"]', "urls must not be in this file"),
        (f'urls_file = ["{URL}"]', "urls_file must be the path"),
        (f'url = "{URL}"', "url is not a known setting"),
        (f'urls_file = "{URL}"', "not an address"),
        ("nonsense", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_without_an_address(tmp_path: Path, toml: str, words: str) -> None:
    given = {} if "urls_file" in toml else {"NOTIFY_URLS": URL}
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, toml, **given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"NOTIFY_URL": URL}, "unknown environment variable NOTIFY_URL "),
        ({"NOTIFY_URLS": URL, "NOTIFY_URLS_FILE": "x"}, "NOTIFY_URLS and NOTIFY_URLS_FILE are both set"),
        ({"NOTIFY_URLS_FILE": URL}, "must be the path of a file"),
        ({"NOTIFY_URLS_FILE": "/does/not/exist"}, "cannot be read"),
    ],
)
def test_a_wrong_variable_is_refused(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, **environment)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


def test_rules_without_an_address_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="says nothing about where"):
        load(tmp_path, 'quiet = "off"')


def test_in_live_mode_a_file_of_addresses_that_others_can_read_is_refused(tmp_path: Path) -> None:
    urls = tmp_path / "urls"
    urls.write_text(URL)
    urls.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_notify_settings({"NOTIFY_URLS_FILE": str(urls)}, tmp_path, Mode.LIVE)


@pytest.mark.parametrize("url", [f"nothing://{SECRET}", SECRET, "json://", f"tgram://{SECRET}"])
async def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="address 2 of messages") as caught:
        open_targets([URL, url])
    assert SECRET not in str(caught.value)
    assert not caught.value.__cause__


async def test_a_target_reveals_nothing_of_its_address() -> None:
    (target,) = open_targets([URL])
    assert SECRET not in f"{target!r}{target.name}{target.label}"
    assert target.label == "json #1"
