"""`ops reload`: check the users' files, show what changed, and make every running service read them again now.

An invalid file is reported, and the exit code is 1; its user's previous settings stay in force.
"""

from __future__ import annotations

import time

import typer

from services.ops.operator import operator_name
from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import warn
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.operations.actions.reloading import SettingsByUser, UsersFiles, apply_files, read_files
from shared.operations.control_log import EVERYBODY, Change, write_change
from shared.operations.request import Action


def reload(as_json: AsJson = False) -> None:
    """Check the users' files, show what changed since the last reload, and have running services read them now."""

    async def work(settings: Settings, bus: Bus) -> tuple[UsersFiles, bool]:
        source = settings.shoal_config_source
        files = await read_files(bus, settings.shoal_config, source)
        stamped = await apply_files(bus, settings.shoal_config, files, source)
        at, effect = time.time_ns() // 1_000_000, f"{len(files.changes)} changes"
        await write_change(
            bus, Change(EVERYBODY, "", Action.RELOAD, "ops reload", operator_name(), at, Action.RELOAD, effect)
        )
        return files, stamped

    files, stamped = run_with_bus(work)
    before, now, found, wrong = files.before, files.now, files.changes, list(files.problems)
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
