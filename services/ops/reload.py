"""`ops reload`: check the users' files, show what changed, and make every running service read them again now.

Services watch the files themselves, and apply a change once a file is unchanged for two checks. A new modification time makes
them read a file again, so `reload` sets it; in a read-only folder services find changes without it. An invalid file is
reported, and the exit code is 1; its user's previous settings stay in force.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import typer

from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import warn
from shared.bus.connection import Bus
from shared.bus.records import pairs
from shared.bus.streams import flatten
from shared.config.settings import Settings
from shared.config.users.changes import ChangeKind, settings_of
from shared.config.users.loader import load_users, users_folder
from shared.contracts import keys

SettingsByUser = Mapping[str, Mapping[str, str]]
"""Every setting as text, by user."""


def reload(as_json: AsJson = False) -> None:
    """Check the users' files, show what changed since the last reload, and have running services read them now."""

    async def work(settings: Settings, bus: Bus) -> tuple[SettingsByUser | None, SettingsByUser, bool, list[str]]:
        policies = load_users(settings.shoal_config)
        wrong = [str(problem) for problem in policies.problems]
        now = {user: settings_of(policy) for user, policy in policies.items() if not policy.fault}
        before = await _read_last_reload(bus)
        stamped = _stamp(users_folder(settings.shoal_config))
        written = {user: json.dumps(texts, ensure_ascii=False) for user, texts in now.items()}
        gone = sorted((before or {}).keys() - policies.keys())
        if gone:
            await bus.do("HDEL", keys.LAST_RELOADED_SETTINGS, *gone)
        if written:
            await bus.do("HSET", keys.LAST_RELOADED_SETTINGS, *flatten(written))
        unread = {user: texts for user, texts in (before or {}).items() if user in policies and user not in now}
        return before, {**unread, **now}, stamped, wrong

    before, now, stamped, wrong = run_with_bus(work)
    found = [] if before is None else compare(before, now)
    for line in wrong:
        warn(line)
    if as_json:
        print_json({"users": len(now), "first": before is None, "told": stamped, "changes": found, "problems": wrong})
    else:
        _show(before, now, found, wrong, stamped=stamped)
    raise typer.Exit(1 if wrong else 0)


def _show(
    before: SettingsByUser | None, now: SettingsByUser, found: list[dict[str, str]], wrong: list[str], *, stamped: bool
) -> None:
    print(f"{len(now)} users, " + (f"{len(wrong)} files cannot be used" if wrong else "all files are valid"))
    if before is None:
        print("this is the first reload: the next one shows what has changed since")
    else:
        rows = [[row[name] for name in ("user", "change", "setting", "old", "new")] for row in found]
        columns = ["user", "change", "setting", "old", "new"]
        console().print(table("Since the last reload", columns, rows) if rows else "nothing has changed")
    print(
        "services read the files within seconds"
        if stamped
        else "the folder is read-only: services find what changed by themselves, within seconds"
    )


def compare(before: SettingsByUser, now: SettingsByUser) -> list[dict[str, str]]:
    """List users that were added or removed, and settings that changed, by user."""
    rows = []
    for user in sorted(before.keys() | now.keys()):
        if user not in before or user not in now:
            kind = ChangeKind.ADDED if user in now else ChangeKind.REMOVED
            rows.append(_row(user, kind))
            continue
        old, new = before[user], now[user]
        rows += [
            _row(user, ChangeKind.CHANGED, key, old.get(key, "not set"), new.get(key, "not set"))
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
    return rows


def _row(user: str, kind: ChangeKind, setting: str = "", old: str = "", new: str = "") -> dict[str, str]:
    return {"user": user, "change": kind.value, "setting": setting, "old": old, "new": new}


async def _read_last_reload(bus: Bus) -> SettingsByUser | None:
    """Read the settings of the last reload; None if there was none."""
    fields = pairs(await bus.do("HGETALL", keys.LAST_RELOADED_SETTINGS))
    return {user: json.loads(text) for user, text in fields.items()} or None


def _stamp(folder: Path) -> bool:
    """Set the modification time of every file; False if none may be changed here."""
    stamped = False
    for path in folder.glob("*.toml"):
        with suppress(OSError):  # a broken link must not keep the others from being read
            os.utime(path)
            stamped = True
    return stamped
