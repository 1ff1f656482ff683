"""`ops user show` and `ops user history`: a user's settings as text, and the versions that are kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.user.names import Who, require_settings
from services.ops.user.settings.opening import run_with_store
from shared.bus.users.user_settings import SettingsVersion
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.users.loader import FileProblem
from shared.operations.settings.user_store import UserStore, judge

Version = Annotated[
    str, typer.Option("--version", help="A version of `ops user history`; the present one if not given.")
]


def show(user: Who, version: Version = "", as_json: AsJson = False) -> None:
    """Print the settings of a user as they are written, and whether services can use them."""

    async def work(settings: Settings, store: UserStore) -> tuple[str, SettingsVersion, str]:
        found = await find_version(store, user, version)
        judged = judge(settings.shoal_config, found)
        return store.place(user), found, judged.why if isinstance(judged, FileProblem) else ""

    place, found, why = run_with_store(work)
    if as_json:
        print_json({**_row(found), "user": user, "place": place, "text": found.text, "unusable": why})
        return
    print(found.text, end="" if found.text.endswith("\n") else "\n")
    print(f"# {place}, {_words(found)}" + (f"; services cannot use it: {why}" if why else ""))


def history(user: Who, as_json: AsJson = False) -> None:
    """List the versions of a user's settings that are kept, newest first: who changed them, when and why."""

    async def work(_: Settings, store: UserStore) -> Sequence[SettingsVersion]:
        return await store.history(user)

    found = run_with_store(work)
    if not found:
        raise ConfigurationError(f"{user[:40]}: nothing is kept of this user's settings")
    if as_json:
        print_json({"user": user, "versions": [_row(each) for each in found]})
        return
    rows = [[each.version, clock(each.at), each.kind, each.by, each.why] for each in found]
    console().print(table(f"Settings of {user}", ["version", "at (UTC)", "how", "by", "why"], rows))


async def find_version(store: UserStore, user: str, version: str) -> SettingsVersion:
    """Return one version of a user's settings; the present one if none is named. Raises ConfigurationError if there is none."""
    if not version:
        await require_settings(store, user)
        if (present := await store.read(user)) is not None:
            return present
    for each in await store.history(user):
        if version and each.version == version:
            return each
    raise ConfigurationError(f"{user[:40]} has no version {version[:40]!r}: see `ops user history`")


def _row(each: SettingsVersion) -> dict[str, object]:
    return {"version": each.version, "at": each.at, "by": each.by, "why": each.why, "how": each.kind}


def _words(each: SettingsVersion) -> str:
    by = f" by {each.by}" if each.by else ""
    return f"version {each.version}, {clock(each.at)} UTC{by}"
