"""The settings of a process, from its environment.

Built once, in `main()`, and passed down: nothing below reads `os.environ`. Wrong values, and unknown names with a prefix that
only Shoal uses, stop the start with one line that names the variable. Keys and secrets are not here: see `secrets.py`, which few
services may import.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.config.errors import ConfigurationError
from shared.config.redis_url import read_redis_url, with_ca_file
from shared.config.venue.egress import Egress, read_bind
from shared.config.venue.origins import Origin, read_host, read_origin, read_stream_origin
from shared.config.venue.proxy import Proxy, read_proxy
from shared.config.venue.refusal import in_one_line, nearest
from shared.config.venue.venue_settings import (
    KEY_VARIABLE,
    VENUE_FACTS,
    VENUE_PREFIXES,
    VENUE_STREAM_FIELDS,
    VENUE_URL_FIELDS,
    VenueSettings,
)
from shared.domain.account import MASTER
from shared.domain.durability import Durability
from shared.domain.funds import Funds
from shared.domain.values.group_name import GROUP_WORDS, is_group_name
from shared.domain.values.venue import VenueName
from shared.runtime.crash_points import CrashPoint, CrashPoints

_PREFIXES: Final = ("SHOAL_", *VENUE_PREFIXES, "EXECUTOR_")
"""Prefixes that only Shoal uses: a misspelt variable is refused. `PAPER_` and `API_` may belong to other programs."""
_KEY_EXAMPLES: Final = tuple(
    f"{facts.key_stem(MASTER)}_{part}" for facts in VENUE_FACTS.values() for part in ("KEY", "SECRET")
)
_HOLDS_URL: Final = ("_URL", "_PROXY")


class Mode(StrEnum):
    """Whether paper money or real money moves."""

    PAPER = "paper"
    LIVE = "live"


class ConfigSource(StrEnum):
    """Where the settings of users are kept."""

    FILES = "files"
    REDIS = "redis"


class Settings(BaseSettings):
    """The environment of one Shoal process; each field is the variable of the same name in capitals."""

    # env_ignore_empty: compose passes a variable that is not set as a blank one.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True, env_ignore_empty=True)

    shoal_mode: Mode = Mode.PAPER
    shoal_config: Path = Path("config")
    shoal_config_source: ConfigSource = ConfigSource.FILES
    """Whether the settings of users are files of `shoal_config` or records in Redis; everything else there stays files."""
    shoal_strategy: str = ""
    """The file of the master's strategy, if it is not `strategy.toml` in `shoal_config`; the demo has its own."""
    shoal_secrets: str = ""
    """The folder of the keys; `secrets_folder.py` reads it, for the services that sign requests."""
    shoal_identity_file: str = ""
    """A file with the identities that open sealed keys; `sealed_file.py` reads it, for the same services."""
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    redis_url_file: str = ""
    """A file that contains REDIS_URL, so that the password is not in the environment."""
    redis_ca_file: str = ""
    """The certificate (PEM) by which a Redis at rediss:// is recognised; without it, those that the system trusts."""
    redis_unchecked: Literal["refuse", "accept"] = "refuse"
    """Whether live mode accepts a Redis that does not report whether it may lose orders."""
    kraken_url: str = ""
    coinbase_url: str = ""
    kraken_stream_url: str = ""
    """The private streams of Kraken, where they are not where they belong to KRAKEN_URL; see `VenueFacts.stream_url`."""
    coinbase_stream_url: str = ""
    kraken_tier: Literal["starter", "intermediate", "pro", "none"] | None = None
    """The verification tier of the accounts at Kraken, which sets their rate limits. With `none` only the venue limits calls.
    Without it each account begins with the middle tier, and learns its own from its private stream."""
    coinbase_tier: Literal["none"] | None = None
    """Coinbase has no tiers. With `none` only the venue limits calls, as with `kraken_tier`."""
    paper_url: str = "http://127.0.0.1:8100"
    venue_proxy: str = Field(default="", repr=False)
    """An HTTP proxy (CONNECT) for TLS connections to venues; see `proxy.py`."""
    venue_bind: str = ""
    """The address of this machine from which venues are connected to; empty: the system chooses."""
    https_proxy: str = Field(default="", repr=False)
    """Not used: read only to warn about it."""
    paper_prices_url: str = ""
    """The source of the paper exchange's prices; see `prices_url`."""
    paper_latency: Literal["on", "off"] = "on"
    """`off`: the paper exchange answers at once, whatever its file says. For tests and measurements."""
    executor_users: Annotated[tuple[str, ...], NoDecode] = ()
    executor_groups: Annotated[tuple[str, ...], NoDecode] = ()
    """The groups whose users this executor serves; without it, the users without a group."""
    executor_capacity: int = Field(default=1, ge=1, le=10_000)
    api_host: str = "127.0.0.1"
    api_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names of the api, beside those of loopback and API_HOST; requests under other names are refused."""
    api_sign_in: Literal["on", "off"] = "on"
    """`off`: the api is open to this machine, as in `make demo`. Refused in live mode and where others could reach it."""
    api_metrics_per_user: Literal["on", "off"] = "off"
    """`on`: `/metrics` has series for each user instead of sums; with thousands of users that is megabytes."""
    api_url: str = ""
    """The address under which people open the page, for links; its host is one of the api's names."""
    api_port: int = Field(default=8000, ge=1, le=65535)
    paper_host: str = "127.0.0.1"
    paper_port: int = Field(default=8100, ge=1, le=65535)
    paper_token_file: str = ""
    """A file with the token of the paper exchange's control plane: the exchange creates it, clients read it. It is
    required where the exchange listens on more than loopback."""
    log_format: Literal["json", "console"] = "console"
    retention_days: int = Field(default=70, ge=1, le=3650)
    """How long settled orders, reports and acknowledged stream entries are kept. By default that is all of last month on any day,
    and a week before it, in which what was held at its beginning has a price."""
    debug_die_at: str = ""
    """A point of `shared/runtime/crash_points.py` at which the process kills itself: only for tests of crashes."""

    @model_validator(mode="before")
    @classmethod
    def _whole_redis_url(cls, given: dict[str, object]) -> dict[str, object]:
        given = _with_redis_url_of_file(given)
        path = str(given.get("redis_ca_file") or "").strip()
        return given | {"redis_url": with_ca_file(str(given.get("redis_url") or ""), path)} if path else given

    @field_validator("executor_users", "executor_groups", "api_hosts", mode="before")
    @classmethod
    def _split_users(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("debug_die_at")
    @classmethod
    def _known_step(cls, value: str) -> str:
        try:
            CrashPoints(value)
        except ValueError:
            steps = ", ".join(step.value for step in CrashPoint)
            raise ValueError(f"must be a step, or a step and which time of it (step:2); steps: {steps}") from None
        return value

    @field_validator("redis_url")
    @classmethod
    def _readable_redis_url(cls, value: str) -> str:
        read_redis_url(value)
        return value

    @field_validator("api_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(read_host, value))

    @field_validator("executor_groups")
    @classmethod
    def _group_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not is_group_name(name):
                raise ValueError(f"{GROUP_WORDS}; several are separated by commas")
        return value

    @field_validator("venue_bind")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value:
            read_bind(value)
        return value

    @field_validator("venue_proxy")
    @classmethod
    def _readable_proxy(cls, value: str) -> str:
        if value:
            read_proxy(value)
        return value

    @field_validator(*VENUE_URL_FIELDS, "paper_url", "paper_prices_url", "api_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        if value:
            read_origin(value)
        return value.rstrip("/")

    @field_validator(*VENUE_STREAM_FIELDS)
    @classmethod
    def _stream_url(cls, value: str) -> str:
        if value:
            read_stream_origin(value)
        return value

    @model_validator(mode="after")
    def _paper_never_reaches_a_real_venue(self) -> Self:
        if self.shoal_mode is Mode.PAPER:
            for name in ("paper_url", *VENUE_URL_FIELDS, *VENUE_STREAM_FIELDS, "paper_prices_url"):
                value: str = getattr(self, name)
                if value and not self._is_own_exchange(value):
                    raise ValueError(
                        f"{name.upper()} is {value}, but SHOAL_MODE is paper: only the paper exchange at "
                        f"PAPER_URL or a loopback address may be reached; set SHOAL_MODE=live to trade for real"
                    )
        else:
            for name, secure in (
                *((each, "https") for each in VENUE_URL_FIELDS),
                *((each, "wss") for each in VENUE_STREAM_FIELDS),
            ):
                value = getattr(self, name)
                if value and not value.lower().startswith(f"{secure}://"):
                    raise ValueError(f"{name.upper()} must be {secure}:// when SHOAL_MODE is live")
            if not self._is_own_exchange(self.paper_url):  # users with paper = true trade there
                raise ValueError(f"PAPER_URL is {self.paper_url}: a real venue is not a paper exchange")
        return self

    def _is_own_exchange(self, url: str) -> bool:
        origin, own = _origin_of(url), read_origin(self.paper_url)
        if any(origin.is_within(facts.real_domain) for facts in VENUE_FACTS.values()):
            return False
        return origin.is_loopback or (origin.host, origin.port) == (own.host, own.port)

    @property
    def strategy_file(self) -> Path | None:
        """Return the file of the master's strategy; None for the one in the configuration folder."""
        return Path(self.shoal_strategy) if self.shoal_strategy else None

    @property
    def proxy(self) -> Proxy | None:
        """Return the proxy for TLS connections to venues; None if there is none."""
        return read_proxy(self.venue_proxy) if self.venue_proxy else None

    @property
    def egress(self) -> Egress:
        """Return how this process connects to venues."""
        return Egress(self.proxy, read_bind(self.venue_bind) if self.venue_bind else None)

    @property
    def ignored_proxy(self) -> str:
        """Return a warning that HTTPS_PROXY is set and not used; an empty string if it does not apply."""
        if self.shoal_mode is Mode.PAPER or self.venue_proxy or not self.https_proxy:
            return ""
        return "HTTPS_PROXY is set and not used for venues; set VENUE_PROXY to reach them through a proxy"

    @property
    def durability(self) -> Durability:
        """Return how strictly the server check judges a Redis that may lose orders."""
        if self.shoal_mode is Mode.PAPER:
            return Durability.WARNED
        return Durability.TRUSTED if self.redis_unchecked == "accept" else Durability.REQUIRED

    @property
    def retention_ms(self) -> int:
        """Return the retention in milliseconds."""
        return self.retention_days * 24 * 3600 * 1000

    def funds(self, *, paper: bool) -> Funds:
        """Return which money moves for a user with or without `paper = true`."""
        return Funds.PAPER if paper or self.shoal_mode is Mode.PAPER else Funds.LIVE

    @property
    def prices_url(self) -> str:
        """Return the URL whose prices the paper exchange follows; an empty string if it generates its own.

        In live mode the real venue's by default: a paper user who follows real signals at generated prices would see profits that
        could never have been made.
        """
        if self.paper_prices_url or self.shoal_mode is Mode.PAPER:
            return self.paper_prices_url
        return self.venue_url(VenueName.KRAKEN)  # the paper exchange speaks as Kraken does and lists its pairs

    def venue(self, name: str) -> VenueSettings:
        """Return what is set for a venue. Raises KeyError for a venue that Shoal does not know."""
        facts = VENUE_FACTS[name]
        given: str = getattr(self, facts.url_field)
        default = self.paper_url if self.shoal_mode is Mode.PAPER else facts.real_url
        stream: str = getattr(self, facts.stream_url_field)
        url = given or default
        return VenueSettings(
            name=facts.name,
            url=url,
            url_is_given=bool(given),
            tier=getattr(self, f"{name}_tier", None),
            stream_url=stream or facts.stream_url(url),
            stream_url_is_given=bool(stream),
        )

    def venue_url(self, venue: str) -> str:
        """Return the base URL of a venue in this mode, without a trailing slash."""
        return self.venue(venue).url

    def venue_tier(self, venue: str) -> str | None:
        """Return the tier of the accounts at a venue; None at a venue that has no tiers, and where it is not set."""
        return self.venue(venue).tier


def _with_redis_url_of_file(given: dict[str, object]) -> dict[str, object]:
    path = str(given.get("redis_url_file") or "").strip()
    if not path:
        return given
    if given.get("redis_url"):
        raise ValueError("REDIS_URL and REDIS_URL_FILE are both set; set one of them")
    try:
        url = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text"
        raise ValueError(f"REDIS_URL_FILE names {path}, which cannot be read: {why}") from None
    if not url:
        raise ValueError(f"REDIS_URL_FILE names {path}, which is empty")
    return given | {"redis_url": url}


def _origin_of(url: str) -> Origin:
    return read_stream_origin(url) if url.lower().startswith("ws") else read_origin(url)


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises ConfigurationError whose text is one line naming the variable and what is wrong with its value.
    """
    known = {name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(_PREFIXES) and name not in known and not KEY_VARIABLE.fullmatch(name):
            raise ConfigurationError(f"unknown environment variable {name}{_hint(name, known)}")
    try:
        return Settings()
    except ValidationError as error:
        # A URL can carry a password, so no value of one is repeated.
        secret = {name.upper() for name in Settings.model_fields if name.upper().endswith(_HOLDS_URL)}
        raise ConfigurationError(in_one_line(error, Settings, variables=True, secret=secret)) from None


def _hint(name: str, known: Iterable[str]) -> str:
    """Return the names that may have been meant: all if there are few, else the nearest with the same prefix."""
    prefix = next(each for each in _PREFIXES if name.startswith(each))
    if name.startswith(f"{prefix}USER_"):
        return f" (a user's key: {prefix}USER_<NAME>_API_KEY and _API_SECRET, each also with _FILE; the id in capitals, - as _)"
    if prefix == "SHOAL_":
        return f" (known: {', '.join(sorted(each for each in known if each.startswith(prefix)))})"
    return nearest(name, [each for each in (*known, *_KEY_EXAMPLES) if each.startswith(prefix)])
