"""Reads the users' own settings: `config/users/<user>.toml`. The file's name is the user's id; secrets are never in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from shared.config.errors import ConfigurationError
from shared.config.user_file import UserFile, in_one_line
from shared.domain.policy import RESERVED_NAMES, UserPolicy

__all__ = ["USERS", "in_one_line", "load_user", "load_users", "sharing_one_variable", "users_folder"]

USERS: Final = "users"
"""The folder of the users' files, inside the configuration folder."""
_USER_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def users_folder(config: Path) -> Path:
    """Give the folder of the users' files. Raises ConfigurationError if there is none."""
    folder = config / USERS
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder: SHOAL_CONFIG must hold users/<user>.toml")
    return folder


def load_users(config: Path) -> dict[str, UserPolicy]:
    """Read every user of a configuration folder, by id in alphabetical order.

    Raises ConfigurationError whose text is one line naming the file, the key and what it may be.
    """
    folder = users_folder(config)
    users = {path.stem: load_user(path) for path in sorted(folder.glob("*.toml"))}
    if clash := sharing_one_variable(users):
        raise ConfigurationError(f"{folder}: {clash}")
    return users


def load_user(path: Path) -> UserPolicy:
    """Read one user's file. Raises ConfigurationError in one line."""
    user = path.stem
    if not _USER_ID.fullmatch(user):
        raise ConfigurationError(
            f"{path}: a user id has up to 32 of a-z, 0-9, - and _, and begins with a letter or digit"
        )
    if user in RESERVED_NAMES or user.startswith("prices-"):
        raise ConfigurationError(f"{path}: {user} is a name of Shoal's own; choose another user id")
    try:
        read = UserFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {in_one_line(error)}") from None
    return read.policy(user)


def sharing_one_variable(users: Iterable[str]) -> str:
    """Say which two users' keys would stand in one variable, where `-` is spelt `_`; an empty text if none would."""
    spelt: dict[str, str] = {}
    for user in users:
        other = spelt.setdefault(user.replace("-", "_"), user)
        if other != user:
            return f"the users {other} and {user} would share one key variable; rename one"
    return ""
