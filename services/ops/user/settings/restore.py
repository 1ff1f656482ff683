"""`ops user restore`: an earlier version of a user's settings becomes the present one, if services still accept it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Annotated

import typer

from services.ops.operator import Yes, confirm
from services.ops.output import AsJson, print_json
from services.ops.runner import run_with_bus
from services.ops.user.names import Who, check_new_name
from services.ops.user.settings.edit import Reason
from services.ops.user.settings.opening import by_operator, store_of
from services.ops.user.settings.show import find_version
from shared.bus.connection import Bus
from shared.bus.users.user_settings import SettingsKind, SettingsVersion
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.operations.control_log import Change, write_change
from shared.operations.request import Action
from shared.operations.settings.user_store import usable

Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version of `ops user history`.")]


@dataclass(frozen=True, slots=True)
class _Restoring:
    """What is there now (None: the settings were removed), and what is to be there again."""

    present: SettingsVersion | None
    former: SettingsVersion


def restore(user: Who, version: Version, reason: Reason, yes: Yes = False, as_json: AsJson = False) -> None:
    """Make an earlier version of a user's settings the present one; the one that it replaces is kept."""

    async def look(settings: Settings, bus: Bus) -> _Restoring:
        store = store_of(settings, bus)
        former, present = await find_version(store, user, version), await store.read(user)
        usable(settings.shoal_config, user, former.text)
        if present is None:
            check_new_name(user, await store.names())
        elif present.text == former.text:
            raise ConfigurationError(f"the settings of {user} are those of version {version} already")
        return _Restoring(present, former)

    async def work(settings: Settings, bus: Bus) -> str:
        author, store = by_operator(reason), store_of(settings, bus)
        former = await store.write(user, found.former.text, author, over=found.present, kind=SettingsKind.RESTORE)
        effect = f"settings of version {version} restored ({former})"
        await write_change(
            bus, Change(user, "", Action.SETTINGS, reason, author.by, author.at, Action.SETTINGS, effect)
        )
        return effect

    found = run_with_bus(look)
    if not as_json:
        before = found.present.text if found.present else ""
        lines = difflib.unified_diff(
            before.splitlines(), found.former.text.splitlines(), "now", f"version {version}", lineterm="", n=1
        )
        print("\n".join(lines))
    confirm(f"Restore version {version} of {user}?", yes=yes)
    effect = run_with_bus(work)
    if as_json:
        print_json({"user": user, "version": version, "effect": effect})
    else:
        print(f"{user}: {effect}; services take it over in about two seconds")
