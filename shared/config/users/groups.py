"""Shared settings of a group of users: `config/groups/<group>.toml`, under what a user's own file says.

A user's file names its group (`group = "eu-1"`). Tables are merged key by key, anything else in the user's file replaces the
group's. A group's file is valid by itself, so that an error in it is reported as its own and not as that of each user. A missing
file is an error: a misspelt group would be served by no executor.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from shared.config.errors import ConfigurationError
from shared.config.text_file import MissingFileError, UnreadableFileError, read_text
from shared.config.toml_file import check_table, parse_table
from shared.config.users.file import UserFile
from shared.domain.values.group_name import is_group_name

GROUPS: Final = "groups"
"""The folder of the groups' files, inside the configuration folder."""
_SUFFIX: Final = ".toml"
_GROUP: Final = "group"


def group_file(config: Path, group: str) -> Path:
    """Return the path of a group's file."""
    return config / GROUPS / f"{group}{_SUFFIX}"


def is_groups_file(name: str) -> bool:
    """Return whether a file name in the folder of groups is that of a group's file."""
    return name.endswith(_SUFFIX) and is_group_name(name.removesuffix(_SUFFIX))


def parse_user(text: str, config: Path) -> UserFile:
    """Parse the text of a user's file with the settings of its group.

    Raises ConfigurationError: its text names the key, and the group's file where that is at fault; the user's file it does not
    name.
    """
    group = group_of(text)
    return _parse(text, config, group, _read_group(config, group) if group else "")


@lru_cache(maxsize=1_000)
def group_of(text: str) -> str:
    """Return the group that the text of a user's file names; an empty text for none, and if it cannot be read."""
    if _GROUP not in text:
        return ""
    try:
        found = parse_table(text).get(_GROUP, "")
    except ConfigurationError:
        return ""
    return found if isinstance(found, str) and is_group_name(found) else ""


def _read_group(config: Path, group: str) -> str:
    path = group_file(config, group)
    try:
        return read_text(path)
    except MissingFileError:
        raise ConfigurationError(f"{_GROUP}: there is no file {GROUPS}/{group}{_SUFFIX}") from None
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{_GROUP}: {path}: {error}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{_GROUP}: {path}: {error}") from None


@lru_cache(maxsize=1_000)
def _parse(text: str, config: Path, group: str, shared: str) -> UserFile:
    """Parse texts; cached, since the files of many users say the same."""
    own = parse_table(text)
    if not group:
        return check_table(own, UserFile)
    path = group_file(config, group)
    below = _parse_group(shared, path)
    try:
        return check_table(_merged(below, own), UserFile)
    except ConfigurationError as error:
        check_table(own, UserFile)  # an error of the user's file is reported as such
        raise ConfigurationError(f"together with the settings of {path}: {error}") from None


def _parse_group(text: str, path: Path) -> Mapping[str, Any]:
    try:
        content = parse_table(text)
        check_table(content, UserFile)
    except ConfigurationError as error:
        raise ConfigurationError(f"{_GROUP}: {path}: {error}") from None
    if _GROUP in content:
        raise ConfigurationError(
            f"{_GROUP}: {path}: {_GROUP} belongs to the files of users; a group is in no other group"
        )
    return content


def _merged(below: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a group under those of a user: tables by key, everything else as a whole."""
    found = dict(below)
    for key, value in own.items():
        under = below.get(key)
        tables = isinstance(under, dict) and isinstance(value, dict)
        found[key] = {**under, **value} if tables else value  # type: ignore[dict-item]
    return found
