"""`ops user export` and `ops user import`: the settings of all users as a folder of files, exactly as they are written.

With the one and the other the settings move from files into Redis, from there back into files, or to another system. An import
checks every file before it writes any, and changes no user who has other settings unless `--replace` says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, print_json
from services.ops.runner import run_with_bus
from services.ops.user.names import check_new_name
from services.ops.user.settings.opening import by_operator, run_with_store, store_of
from shared.bus.connection import Bus
from shared.bus.users.user_settings import SettingsKind
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.text_file import MOST_BYTES
from shared.config.users.loader import SUFFIX, is_users_file
from shared.config.users.source import name_of
from shared.operations.control_log import Change, write_change
from shared.operations.errors import ActionRefused
from shared.operations.request import Action
from shared.operations.settings.user_store import UserStore, usable
from shared.sign_in.follower_links import FollowerLinks

_SHOWN: Final = 10

To = Annotated[Path, typer.Option("--to", help="A folder without users' files; it is made if there is none.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder with <user>.toml, such as config/users.")]
Replace = Annotated[bool, typer.Option("--replace", help="Also replace the settings of users who have others.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with each version.")]


@dataclass(slots=True)
class _Imported:
    """Users by what was done with their settings."""

    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def export(to: To, as_json: AsJson = False) -> None:
    """Write the settings of all users to a folder, one file each, exactly as they are."""

    async def work(_: Settings, store: UserStore) -> dict[str, str]:
        return {user: found.text for user in await store.names() if (found := await store.read(user)) is not None}

    found = run_with_store(work)
    _write_all(to, found)
    if as_json:
        print_json({"folder": str(to), "users": sorted(found)})
    else:
        print(f"settings of {len(found)} users are in {to}")


def import_(
    folder: Folder, replace: Replace = False, reason: Reason = "ops user import", as_json: AsJson = False
) -> None:
    """Take over the settings of all users of a folder; users who are not in it stay as they are."""
    texts = _read_all(folder)

    async def work(settings: Settings, bus: Bus) -> _Imported:
        store = store_of(settings, bus)
        for user, text in texts.items():
            usable(settings.shoal_config, user, text)
        with store.alone():
            return await _import(store, bus, texts, replace=replace, reason=reason)

    done = run_with_bus(work)
    if as_json:
        print_json({"new": done.new, "replaced": done.replaced, "same": done.same})
    else:
        print(f"{len(done.new)} users are new, {len(done.replaced)} replaced, {len(done.same)} were the same")


async def _import(store: UserStore, bus: Bus, texts: Mapping[str, str], *, replace: bool, reason: str) -> _Imported:
    present = {user: await store.read(user) for user in texts}
    names = {*await store.names(), *texts}
    for user in texts:
        check_new_name(user, names - {user})
    others = [user for user, found in present.items() if found is not None and found.text != texts[user]]
    if others and not replace:
        raise ActionRefused(f"{_listed(others)}: the settings are others here; --replace takes those of the folder")
    done, author = _Imported(), by_operator(reason)
    for user, text in texts.items():
        over = present[user]
        if over is not None and over.text == text:
            done.same.append(user)
            continue
        if over is None:
            await FollowerLinks(bus).revoke(user)  # what links have opened for a former user of this name
        await store.write(user, text, author, over=over, kind=SettingsKind.IMPORT)
        (done.new if over is None else done.replaced).append(user)
    if changed := done.new + done.replaced:
        effect = f"settings of {len(changed)} users imported"
        of = changed[0] if len(changed) == 1 else f"{len(changed)} users"
        await write_change(bus, Change(of, "", Action.SETTINGS, reason, author.by, author.at, Action.SETTINGS, effect))
    return done


def _read_all(folder: Path) -> dict[str, str]:
    """Return the texts of a folder by user. Raises ConfigurationError naming the file that cannot be read."""
    try:
        paths = sorted(path for path in folder.iterdir() if is_users_file(path.name))
        found = {path.name.removesuffix(SUFFIX): _text(path) for path in paths}
    except OSError as error:
        raise ConfigurationError(f"{error.filename or folder} cannot be read: {error.strerror}") from None
    if not found:
        raise ConfigurationError(f"{folder} has no file <user>{SUFFIX}")
    for user in found:
        check_new_name(user, ())
    return found


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text") from None
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"{path} has more than {MOST_BYTES // 1024} KiB, too much for settings")
    return text


def _write_all(folder: Path, texts: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if there := sorted(path.name for path in folder.iterdir() if is_users_file(path.name)):
            raise ConfigurationError(f"{folder} has {_listed(there)} already: name another folder")
        for user, text in texts.items():
            number = os.open(folder / name_of(user), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
                file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or folder} cannot be written: {error.strerror}") from None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
