"""`ops user disable` and `ops user enable`: edit one of a user's settings, which services take over in about two seconds."""

from __future__ import annotations

from typing import Annotated

import typer

from services.ops.output import AsJson, print_json
from services.ops.user.names import Who, require_settings
from services.ops.user.settings.opening import by_operator, run_with_store
from services.ops.user.user_file import change_settings
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.domain.limits.policy import OnLeave
from shared.operations.settings.user_store import UserStore

LeaveRule = Annotated[
    str,
    typer.Option(
        "--on-leave", help="What becomes of the holdings: keep, exits_only or close_now; as in the file if not given."
    ),
]


def disable(user: Who, on_leave: LeaveRule = "", as_json: AsJson = False) -> None:
    """Disable a user: no more entries. What is held is kept, followed out or sold, as on_leave in the file says."""
    if on_leave and on_leave not in set(OnLeave):
        raise ConfigurationError(f"--on-leave {on_leave}: must be one of {', '.join(OnLeave)}")
    _write(user, as_json=as_json, enabled=False, **({"on_leave": on_leave} if on_leave else {}))


def enable(user: Who, as_json: AsJson = False) -> None:
    """Enable a user: entries are copied again from the next signal on."""
    _write(user, as_json=as_json, enabled=True)


def _write(user: str, *, as_json: bool, enabled: bool, **more: str) -> None:
    async def work(settings: Settings, store: UserStore) -> str:
        await require_settings(store, user)
        why = f"ops user {'enable' if enabled else 'disable'}"
        await change_settings(store, settings.shoal_config, user, by_operator(why), enabled=enabled, **more)
        return store.place(user)

    place = run_with_store(work)
    if as_json:
        print_json({"user": user, "enabled": enabled, "file": place})
    else:
        print(f"{user} is {'enabled' if enabled else 'disabled'}: {place}; services take it over in about two seconds")
