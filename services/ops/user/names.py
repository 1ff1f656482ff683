"""Checks of user names, before they become part of a path, a variable or a Redis key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import typer

from shared.config.errors import ConfigurationError
from shared.config.users.loader import why_no_user_id
from shared.operations.settings.user_store import UserStore

Who = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]

_MOST_NAMES: Final = 20


def check_new_name(name: str, others: Iterable[str]) -> None:
    """Raise ConfigurationError for a name that no user may have, or that would share a key variable with another user."""
    if why := why_no_user_id(name):
        raise ConfigurationError(
            why if why.startswith(name) else f"{name if name.isprintable() else repr(name)}: {why}"
        )
    spelt = {other.replace("-", "_"): other for other in others}
    if (other := spelt.get(name.replace("-", "_"))) is not None and other != name:
        raise ConfigurationError(f"the users {other} and {name} would share one key variable")


async def require_settings(store: UserStore, name: str) -> None:
    """Raise ConfigurationError unless the user has settings."""
    known = await store.names()
    if name not in known:
        more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        listed = f"{', '.join(known[:_MOST_NAMES])}{more}" if known else "none"
        raise ConfigurationError(
            f"{name if name.isprintable() else repr(name)}: there is no such user (known: {listed})"
        )
