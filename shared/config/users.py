"""Reads the users' own settings: `config/users/<user>.toml`. The file's name is the user's id; secrets are never in it.

Unknown keys are refused, so that a misspelt limit cannot pass for a limit.
"""

from __future__ import annotations

import math
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.config.errors import ConfigurationError
from shared.domain.policy import (
    RESERVED_NAMES,
    BelowMinimum,
    GuardPolicy,
    LimitPolicy,
    SizingPolicy,
    UserPolicy,
)

_USER_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def _exact(value: object) -> object:
    # TOML gives floats; their shortest text is what the person wrote.
    return Decimal(str(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


_DURATION: Final = re.compile(r"(\d{1,15})(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _milliseconds(value: object) -> object:
    """Read `30` (seconds) or `"30s"`, `"500ms"`, `"5m"`; anything else is left for pydantic to refuse."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        return int(match[1]) * _UNIT_MS[match[2]]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return round(value * 1_000)
    raise ValueError('must be a number of seconds, or a text like "30s", "500ms" or "5m"')


_Exact = Annotated[Decimal, BeforeValidator(_exact)]
_Percent = Annotated[_Exact, Field(gt=0, le=100)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sizing(_Section):
    mode: Literal["equity"] = "equity"
    multiplier: Annotated[_Exact, Field(gt=0, le=100)] = Decimal(1)
    below_minimum: BelowMinimum = BelowMinimum.SKIP


class _Limits(_Section):
    max_order_pct: _Percent | None = None
    max_order_quote: Annotated[_Exact, Field(gt=0)] | None = None


class _Guards(_Section):
    max_signal_age: Annotated[int, BeforeValidator(_milliseconds), Field(gt=0, le=3_600_000)] = 30_000
    max_slippage_bps: Annotated[_Exact, Field(ge=0, le=1_000)] = Decimal(50)


class _User(_Section):
    enabled: bool = True
    venues: Annotated[list[Literal["kraken", "coinbase"]], Field(min_length=1)] = ["kraken"]
    sizing: _Sizing = _Sizing()
    limits: _Limits = _Limits()
    guards: _Guards = _Guards()


def load_users(config: Path) -> dict[str, UserPolicy]:
    """Read every user of a configuration folder, by id in alphabetical order.

    Raises ConfigurationError whose text is one line naming the file, the key and what it may be.
    """
    folder = config / "users"
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder: SHOAL_CONFIG must hold users/<user>.toml")
    users = {path.stem: _load_user(path) for path in sorted(folder.glob("*.toml"))}
    spelt: dict[str, str] = {}
    for user in users:
        other = spelt.setdefault(user.replace("-", "_"), user)
        if other != user:
            raise ConfigurationError(f"{folder}: the users {other} and {user} would share one key variable; rename one")
    return users


def _load_user(path: Path) -> UserPolicy:
    user = path.stem
    if not _USER_ID.fullmatch(user):
        raise ConfigurationError(
            f"{path}: a user id has up to 32 of a-z, 0-9, - and _, and begins with a letter or digit"
        )
    if user in RESERVED_NAMES or user.startswith("prices-"):
        raise ConfigurationError(f"{path}: {user} is a name of Shoal's own; choose another user id")
    try:
        read = _User.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {in_one_line(error)}") from None
    return UserPolicy(
        user=user,
        enabled=read.enabled,
        venues=tuple(read.venues),
        sizing=SizingPolicy(read.sizing.multiplier, read.sizing.below_minimum),
        limits=LimitPolicy(read.limits.max_order_pct, read.limits.max_order_quote),
        guards=GuardPolicy(read.guards.max_signal_age, read.guards.max_slippage_bps),
    )


def in_one_line(error: ValidationError) -> str:
    """Say what is wrong with a file's values: key, reason and value for each."""
    parts = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            parts.append(f"{key} is not a known setting")
        else:
            parts.append(f"{key}: {item['msg'].removeprefix('Value error, ')} (got {item['input']!r})")
    return "; ".join(parts)
