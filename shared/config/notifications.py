"""The settings of the notifier: where messages go, about which events, and when.

The addresses are secrets, since most contain a token: they come from NOTIFY_URLS or a file, never from `config/`, which every
service can read. Nothing here is part of `Settings`: a wrong setting stops the notifier alone, and no service that trades. No
error, log line or `repr` may contain an address or a part of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, time, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.config.errors import ConfigurationError
from shared.config.keys.secret_files import refuse_open_file
from shared.config.settings import Mode
from shared.config.text_file import read_text
from shared.config.toml_file import read_toml

FILE: Final = "notifications.toml"
URLS: Final = "NOTIFY_URLS"
URLS_FILE: Final = "NOTIFY_URLS_FILE"
_KNOWN: Final = frozenset({URLS, URLS_FILE})
_BETWEEN: Final = re.compile(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)|\s+")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_OFF: Final = "off"


class Event(StrEnum):
    """What a message can be about. Stable words: they are the keys of `[events]`."""

    PARKED = "parked"  # an account cannot be used
    UNKNOWN_ORDER = "unknown_order"  # an order has had no proven end for a while
    STOP_OUT = "stop_out"  # a loss limit stops a user's entries
    KILL_SWITCH = "kill_switch"  # a switch was set or cleared
    SERVICE_DOWN = "service_down"  # a service has no heartbeat, or nothing serves a user
    MASTER_FILLS = "master_fills"  # the master's fills cannot be seen
    CLOCK = "clock"  # a host's clock is wrong
    DEAD_LETTER = "dead_letter"  # an entry could not be read by a service
    BOOKS_LOST = "books_lost"  # Redis has lost what an account holds from copying
    STREAM = "stream"  # an account's private stream is down for long
    KEY = "key"  # an API key is refused or used twice
    REDIS = "redis"  # Redis is nearly full
    STAGE = "stage"  # a user has moved on the canary ladder
    BLOCKED = "blocked"  # a fault of another kind because of which no signal is copied
    FAULT = "fault"  # any other fault that a service reports
    DAILY_SUMMARY = "daily_summary"


class Volume(StrEnum):
    """What happens on an event: `silent` counts it in the daily summary only."""

    ON = "on"
    SILENT = "silent"
    OFF = "off"


DEFAULT_VOLUMES: Final[Mapping[Event, Volume]] = {
    event: Volume.SILENT if event is Event.FAULT else Volume.ON for event in Event
}
DEFAULT_CRITICAL: Final = frozenset(
    {
        Event.UNKNOWN_ORDER,
        Event.STOP_OUT,
        Event.SERVICE_DOWN,
        Event.MASTER_FILLS,
        Event.CLOCK,
        Event.REDIS,
        Event.BOOKS_LOST,
        Event.BLOCKED,
    }
)
"""Events whose messages come in quiet hours too."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A span of the day in local time; one that begins later than it ends goes over midnight."""

    begin: time
    end: time

    def includes(self, local: time) -> bool:
        """Return whether a local time of day is within them."""
        if self.begin <= self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


def _clock(text: str) -> time:
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise ValueError('must be a time of day such as "08:00"')
    return time(int(match[1]), int(match[2]))


def _summary_at(value: object) -> object:
    if not isinstance(value, str):
        return value
    return None if value == _OFF else _clock(value)


def _quiet(value: object) -> object:
    if not isinstance(value, str) or value == _OFF:
        return None if value == _OFF else value
    begin, between, end = value.partition("-")
    if not between:
        raise ValueError('must be "off" or two times of day such as "22:00-07:00"')
    hours = QuietHours(_clock(begin), _clock(end))
    if hours.begin == hours.end:
        raise ValueError("begins when it ends; two different times are needed")
    return hours


def _zone(name: str) -> str:
    find_zone(name)
    return name


def find_zone(name: str) -> tzinfo:
    """Return a time zone by its name. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('must be "UTC" or the name of a time zone such as "Europe/Berlin"') from None


class _File(BaseModel):
    """`config/notifications.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    urls_file: str = ""
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    summary_at: Annotated[time | None, BeforeValidator(_summary_at)] = time(8, 0)
    quiet: Annotated[QuietHours | None, BeforeValidator(_quiet)] = None
    unknown_after_seconds: Annotated[int, Field(ge=5, le=86_400)] = 60
    collect_seconds: Annotated[int, Field(ge=5, le=3_600)] = 60
    events: dict[Event, Volume] = {}
    critical: frozenset[Event] = DEFAULT_CRITICAL

    @model_validator(mode="before")
    @classmethod
    def _no_urls(cls, given: object) -> object:
        """Refuse addresses in this file. These errors are about the file as a whole, so that no value is shown with them."""
        if isinstance(given, dict):
            if "urls" in given:
                raise ValueError(
                    f"urls must not be in this file, which every service can read: set {URLS}, or name a file by urls_file"
                )
            if not isinstance(given.get("urls_file", ""), str):
                raise ValueError("urls_file must be the path of a file, in quotes")  # noqa: TRY004  # pydantic takes only this
        return given


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Where messages go, and the rules. `urls` are secrets, and in no `repr`."""

    urls: tuple[str, ...] = field(repr=False)
    zone: tzinfo = UTC
    zone_name: str = "UTC"
    summary_at: time | None = time(8, 0)
    """When the daily summary is sent, in local time; None for never."""
    quiet: QuietHours | None = None
    unknown_after_ms: int = 60_000
    collect_ms: int = 60_000
    """For how long further causes of a kind are collected after a message."""
    volumes: Mapping[Event, Volume] = field(default_factory=lambda: dict(DEFAULT_VOLUMES))
    critical: frozenset[Event] = DEFAULT_CRITICAL

    def volume(self, event: Event) -> Volume:
        """Return what happens on an event."""
        return self.volumes.get(event, Volume.ON)


def load_notify_settings(environment: Mapping[str, str], config: Path, mode: Mode) -> NotifySettings | None:
    """Read the settings; None if nothing says where messages go. Raises ConfigurationError in one line, without an address."""
    for name in sorted(environment):
        if name.startswith("NOTIFY_") and name not in _KNOWN:
            raise ConfigurationError(f"unknown environment variable {name} (known: {', '.join(sorted(_KNOWN))})")
    path = config / FILE
    file = read_toml(path, _File) if path.exists() else None
    urls = _read_urls(environment, file, path, mode)
    if not urls:
        if file is not None:
            raise ConfigurationError(
                f"{path} says nothing about where messages go: set {URLS} or {URLS_FILE}, or urls_file in it"
            )
        return None
    rules = file or _File()
    return NotifySettings(
        urls=urls,
        zone=find_zone(rules.timezone),
        zone_name=rules.timezone,
        summary_at=rules.summary_at,
        quiet=rules.quiet,
        unknown_after_ms=rules.unknown_after_seconds * 1000,
        collect_ms=rules.collect_seconds * 1000,
        volumes={**DEFAULT_VOLUMES, **rules.events},
        critical=rules.critical,
    )


def _read_urls(environment: Mapping[str, str], file: _File | None, path: Path, mode: Mode) -> tuple[str, ...]:
    given = {
        URLS: environment.get(URLS, "").strip(),
        URLS_FILE: environment.get(URLS_FILE, "").strip(),
        f"urls_file in {path}": file.urls_file.strip() if file else "",
    }
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise ConfigurationError(f"{' and '.join(named)} are both set; set one of them")
    if not named:
        return ()
    (name,) = named
    if name != URLS and "://" in given[name]:
        raise ConfigurationError(f"{name} must be the path of a file that holds addresses, not an address")
    return _split(given[name]) if name == URLS else _of_file(Path(given[name]), name, mode)


def _of_file(path: Path, name: str, mode: Mode) -> tuple[str, ...]:
    refuse_open_file(path, mode, f"{path}, which holds the addresses of messages,")
    try:
        text = read_text(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name} names {path}, which {error}") from None
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    if not (urls := _split("\n".join(lines))):
        raise ConfigurationError(f"{name} names {path}, which holds no address")
    return urls


def _split(text: str) -> tuple[str, ...]:
    """Return the addresses of a text, each once: separated by white space, or by a comma before the next one."""
    return tuple(dict.fromkeys(part.strip(",") for part in _BETWEEN.split(text.strip()) if part.strip(",")))
