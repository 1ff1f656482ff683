"""What a process is told by its environment.

Built once, in `main()`, and passed down: nothing below reads `os.environ`. Wrong values, and unknown names under the prefixes
that are Shoal's alone, stop the start with one line that names the variable. Keys and secrets are not here: see `secrets.py`,
which few services may import.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.config.boundary import Boundary, Step
from shared.config.errors import ConfigurationError
from shared.config.refusal import in_one_line, nearest
from shared.domain.funds import Funds

_PREFIXES: Final = ("SHOAL_", "KRAKEN_", "COINBASE_", "EXECUTOR_")
"""How the variables begin that are Shoal's alone: a misspelt one is refused. `PAPER_` and `API_` may belong to others."""
_KEY_VARIABLE: Final = re.compile(r"(KRAKEN|COINBASE)_(MASTER|USER_[A-Z0-9][A-Z0-9_]*)_API_(KEY|SECRET)(_FILE)?")
_KEY_EXAMPLES: Final = tuple(
    f"{venue}_MASTER_API_{part}" for venue in ("KRAKEN", "COINBASE") for part in ("KEY", "SECRET")
)
REAL_VENUE_DOMAINS: Final = ("kraken.com", "coinbase.com")
REAL_KRAKEN_URL: Final = "https://api.kraken.com"
REAL_COINBASE_URL: Final = "https://api.coinbase.com"


class Mode(StrEnum):
    """Whose money moves: the paper exchange's, or real."""

    PAPER = "paper"
    LIVE = "live"


class Settings(BaseSettings):
    """The environment of one Shoal process; every field is the variable of the same name in capitals."""

    # env_ignore_empty: a blank variable is how compose hands on one that was not set.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True, env_ignore_empty=True)

    shoal_mode: Mode = Mode.PAPER
    shoal_config: Path = Path("config")
    redis_url: str = "redis://127.0.0.1:6379/0"
    kraken_url: str = ""
    coinbase_url: str = ""
    kraken_tier: Literal["starter", "intermediate", "pro", "none"] = "intermediate"
    """How far the accounts at Kraken are verified: by that they are allowed calls. `none` leaves it to the venue to refuse."""
    paper_url: str = "http://127.0.0.1:8100"
    paper_prices_url: str = ""
    """Where the paper exchange takes its prices from; see `prices_url`."""
    executor_users: Annotated[tuple[str, ...], NoDecode] = ()
    executor_capacity: int = Field(default=1, ge=1, le=10_000)
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=1, le=65535)
    paper_host: str = "127.0.0.1"
    paper_port: int = Field(default=8100, ge=1, le=65535)
    log_format: Literal["json", "console"] = "console"
    retention_days: int = Field(default=30, ge=1, le=3650)
    """How long ended orders, reports and acknowledged stream entries are kept."""
    debug_die_at: str = ""
    """A step of `boundary.py` at which the process kills itself: for tests of crashes only."""

    @field_validator("executor_users", mode="before")
    @classmethod
    def _split_users(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("debug_die_at")
    @classmethod
    def _known_step(cls, value: str) -> str:
        try:
            Boundary(value)
        except ValueError:
            steps = ", ".join(step.value for step in Step)
            raise ValueError(f"must be a step, or a step and which time of it (step:2); steps: {steps}") from None
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_redis_scheme(cls, value: str) -> str:
        if urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @field_validator("kraken_url", "coinbase_url", "paper_url", "paper_prices_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # an impossible port raises
            raise ValueError("must be an http:// or https:// URL")
        if "@" in parts.netloc or "\\" in value:
            raise ValueError("must hold neither a user name nor a password: readers differ on where such a URL leads")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _paper_never_reaches_a_real_venue(self) -> Self:
        if self.shoal_mode is Mode.PAPER:
            for name in ("paper_url", "kraken_url", "coinbase_url", "paper_prices_url"):
                value: str = getattr(self, name)
                if value and not self._is_own_exchange(value):
                    raise ValueError(
                        f"{name.upper()} is {value}, but SHOAL_MODE is paper: only the paper exchange at "
                        f"PAPER_URL or a loopback address may be reached; set SHOAL_MODE=live to trade for real"
                    )
        else:
            for name in ("kraken_url", "coinbase_url"):
                value = getattr(self, name)
                if value and urlsplit(value).scheme != "https":
                    raise ValueError(f"{name.upper()} must be https:// when SHOAL_MODE is live")
            if not self._is_own_exchange(self.paper_url):  # users with paper = true trade there
                raise ValueError(f"PAPER_URL is {self.paper_url}: a real venue is no paper exchange")
        return self

    def _is_own_exchange(self, url: str) -> bool:
        host = (urlsplit(url).hostname or "").rstrip(".")  # a final dot is part of no name, but resolves
        if any(host == domain or host.endswith("." + domain) for domain in REAL_VENUE_DOMAINS):
            return False
        if host == "localhost":
            return True
        try:
            if ip_address(host).is_loopback:
                return True
        except ValueError:
            pass  # a name, not an address
        return urlsplit(url).netloc == urlsplit(self.paper_url).netloc

    @property
    def retention_ms(self) -> int:
        """The retention in milliseconds."""
        return self.retention_days * 24 * 3600 * 1000

    def funds(self, *, paper: bool) -> Funds:
        """Say whose money moves for a user who has set `paper` or not."""
        return Funds.PAPER if paper or self.shoal_mode is Mode.PAPER else Funds.LIVE

    @property
    def prices_url(self) -> str:
        """Give the URL whose prices the paper exchange follows; empty if it makes its own.

        In live mode the real venue's unless told otherwise: a paper user who follows real signals at made-up prices would be told
        of profits that nobody could have made.
        """
        if self.paper_prices_url or self.shoal_mode is Mode.PAPER:
            return self.paper_prices_url
        return self.venue_url("kraken")

    def venue_url(self, venue: str) -> str:
        """Give the base URL of a venue (`kraken` or `coinbase`) in this mode, without a trailing slash."""
        given = self.kraken_url if venue == "kraken" else self.coinbase_url
        if given:
            return given
        if self.shoal_mode is Mode.PAPER:
            return self.paper_url
        return REAL_KRAKEN_URL if venue == "kraken" else REAL_COINBASE_URL


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises ConfigurationError whose text is one line naming the variable and what is wrong with its value.
    """
    known = {name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(_PREFIXES) and name not in known and not _KEY_VARIABLE.fullmatch(name):
            raise ConfigurationError(f"unknown environment variable {name}{_hint(name, known)}")
    try:
        return Settings()
    except ValidationError as error:
        # A Redis URL can carry a password, so no value of it is repeated.
        raise ConfigurationError(in_one_line(error, Settings, variables=True, secret={"REDIS_URL"})) from None


def _hint(name: str, known: Iterable[str]) -> str:
    """Return the names that may have been meant: the few that there are, else the nearest of the same prefix."""
    prefix = next(each for each in _PREFIXES if name.startswith(each))
    if name.startswith(f"{prefix}USER_"):
        return f" (a user's key: {prefix}USER_<NAME>_API_KEY and _API_SECRET, each also with _FILE; the id in capitals, - as _)"
    if prefix == "SHOAL_":
        return f" (known: {', '.join(sorted(each for each in known if each.startswith(prefix)))})"
    return nearest(name, [each for each in (*known, *_KEY_EXAMPLES) if each.startswith(prefix)])
