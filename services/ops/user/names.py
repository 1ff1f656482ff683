"""Checks of user names, before they become part of a path, a variable or a Redis key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Final

import typer

from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.users.loader import SUFFIX, is_users_file, users_folder
from shared.domain.limits.policy import RESERVED_NAMES

Who = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]

_USER_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_MOST_NAMES: Final = 20


def check_new_name(name: str, others: Iterable[str]) -> None:
    """Raise ConfigurationError for a name that no user may have, or that would share a key variable with another user."""
    if not _USER_ID.fullmatch(name):
        raise ConfigurationError(
            f"{name if name.isprintable() else repr(name)}: a user id has up to 32 of a-z, 0-9, - and _, "
            "and begins with a letter or digit"
        )
    if name in RESERVED_NAMES or name.startswith("prices-"):
        raise ConfigurationError(f"{name} is reserved; choose another user id")
    spelt = {other.replace("-", "_"): other for other in others}
    if (other := spelt.get(name.replace("-", "_"))) is not None and other != name:
        raise ConfigurationError(f"the users {other} and {name} would share one key variable")


def names_with_file(settings: Settings) -> list[str]:
    """Return the ids of the users with a file, readable or not, in order. Raises ConfigurationError if there is no folder."""
    folder = users_folder(settings.shoal_config)
    try:
        found = [path.name.removesuffix(SUFFIX) for path in folder.iterdir() if is_users_file(path.name)]
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read: {error.strerror}") from None
    return sorted(name for name in found if _USER_ID.fullmatch(name))


def require_file(settings: Settings, name: str) -> None:
    """Raise ConfigurationError unless the user has a file."""
    known = names_with_file(settings)
    if name not in known:
        more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        listed = f"{', '.join(known[:_MOST_NAMES])}{more}" if known else "none"
        raise ConfigurationError(
            f"{name if name.isprintable() else repr(name)}: there is no such user (known: {listed})"
        )
