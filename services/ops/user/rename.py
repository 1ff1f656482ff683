"""`ops user rename`: rename a user with everything that is theirs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, print_json
from services.ops.runner import run_with_bus
from services.ops.user.key_files import move_keys, secrets_of
from services.ops.user.names import check_new_name, names_with_file
from shared.bus.connection import Bus
from shared.bus.lease import Lease, acquire
from shared.bus.streams import flatten
from shared.bus.users.user_renaming import UserRenaming
from shared.config.errors import ConfigurationError
from shared.config.secrets_folder import Part
from shared.config.settings import Settings
from shared.config.users.folder_lock import only_writer
from shared.config.users.loader import load_users, users_folder
from shared.config.venue_settings import VENUE_FACTS
from shared.contracts import keys
from shared.domain.values.venue import VENUES
from shared.sign_in.follower_links import FollowerLinks

_KEPT: Final = 100_000

Old = Annotated[str, typer.Argument(metavar="OLD", help="The user's present name.")]
New = Annotated[str, typer.Argument(metavar="NEW", help="The user's new name.")]


@dataclass(frozen=True, slots=True)
class _RenameResult:
    resumed: bool
    held: int
    keys: list[str]
    """The venues of which the key files were moved."""


def rename(old: Old, new: New, yes: Yes = False, as_json: AsJson = False) -> None:
    """Rename a user: their file, positions, limits' state, switch and nonces. Repeat it if it was interrupted."""
    confirm(f"Rename {old} to {new}?", yes=yes)

    async def work(settings: Settings, bus: Bus) -> _RenameResult:
        check_new_name(old, ())
        with only_writer(settings.shoal_config):
            return await locked(settings, bus)

    async def locked(settings: Settings, bus: Bus) -> _RenameResult:
        _check_names(settings, old, new)
        await _refuse_while_running(bus, old, new)
        owner = f"ops-user-rename-{os.getpid()}"
        leases: list[Lease] = []
        try:
            for name in (old, new):
                lease = await acquire(bus, name, owner)
                if lease is None:
                    raise ConfigurationError(f"an executor serves {name}: stop it first")
                leases.append(lease)
            return await _rename(settings, bus, leases[0], leases[1])
        finally:
            for lease in leases:
                await lease.release()

    done = run_with_bus(work)
    variables = [
        (
            f"{VENUE_FACTS[venue].key_stem(old)}_{part}",
            f"{VENUE_FACTS[venue].key_stem(new)}_{part}",
        )
        for venue in VENUES
        for part in ("KEY", "SECRET")
    ]
    if as_json:
        print_json(
            {
                "old": old,
                "new": new,
                "positions": done.held,
                "resumed": done.resumed,
                "variables": dict(variables),
                "key_files": done.keys,
            }
        )
        return
    print(
        f"{old} is now {new}{' (an interrupted rename was completed)' if done.resumed else ''}; {done.held} positions held"
    )
    if done.keys:
        print(f"the key files at {', '.join(done.keys)} were moved in the folder of secrets")
    print(
        "before you start executors again, rename the variables of the key (and their _FILE forms) where there are any:"
    )
    for before, after in variables:
        print(f"  {before} -> {after}")
    print(
        f"and wherever else the name is used: EXECUTOR_USERS, paper_accounts.toml. Past orders and reports stay under {old}."
    )


def _check_names(settings: Settings, old: str, new: str) -> None:
    if old == new:
        raise ConfigurationError("both names are the same")
    check_new_name(old, ())
    check_new_name(new, (name for name in names_with_file(settings) if name not in {old, new}))
    if (folder := secrets_of(settings)) is not None and not (
        users_folder(settings.shoal_config) / f"{new}.toml"
    ).exists():
        for venue in VENUES:
            if folder.holds(venue, old) and folder.holds(venue, new):
                raise ConfigurationError(
                    f"{folder.path(venue, new, Part.KEY)} exists already: it is another key; remove one"
                )


async def _refuse_while_running(bus: Bus, old: str, new: str) -> None:
    """Refuse while an engine could decide for the old name, or an executor serves either."""
    engines = await bus.scan(keys.heartbeat(keys.ENGINE, "*"))
    if engines or await bus.do("EXISTS", keys.lease(keys.ENGINE)):
        raise ConfigurationError(
            "a copy engine is running, and could decide for the old name meanwhile: stop it first (signals wait for it), "
            "and start it again afterwards; one that was killed counts as running for 15 s"
        )
    for name in (old, new):
        if owner := await bus.do("GET", keys.lease(name)):
            raise ConfigurationError(
                f"executor {owner} serves {name}: stop it first; one that was killed counts for 12 s"
            )


async def _rename(settings: Settings, bus: Bus, old: Lease, new: Lease) -> _RenameResult:
    folder = users_folder(settings.shoal_config)
    files = folder / f"{old.holder}.toml", folder / f"{new.holder}.toml"
    renaming = UserRenaming(bus, old, new, VENUES)
    resumed = await renaming.committed() and not (files[0].exists() and files[1].exists())
    if not resumed:
        _check_files(*files)
        await _require_renamable(renaming, new.holder)
        funds = settings.funds(paper=_is_on_paper(settings, old.holder))
        until, now = await renaming.carried(), time.time_ns() // 1_000_000
        for name in (old.holder, new.holder):  # the new name may have been another user's before
            await FollowerLinks(bus).revoke(name)
        await renaming.copy(until)
        await renaming.commit(until, funds, now)
    if files[0].exists():
        files[0].rename(files[1])
    secrets = secrets_of(settings)
    moved = move_keys(secrets, old.holder, new.holder) if secrets else []
    await renaming.finish()
    await _note(bus, old.holder, new.holder)
    held = [int(await bus.do("HLEN", keys.positions(new.holder, venue))) for venue in VENUES]
    return _RenameResult(resumed, sum(held), moved)


def _is_on_paper(settings: Settings, user: str) -> bool:
    """Return whether a user trades on paper money. Raises ConfigurationError if the file cannot be used."""
    policy = load_users(settings.shoal_config).get(user)
    if policy is None or policy.fault:
        raise ConfigurationError(policy.fault if policy else f"{user}: the file cannot be used")
    return policy.paper


def _check_files(old: Path, new: Path) -> None:
    if not old.exists():
        raise ConfigurationError(f"{old} does not exist: there is no such user")
    if new.exists():
        raise ConfigurationError(f"{new} exists already: {new.stem} is another user")
    if not os.access(old.parent, os.W_OK):
        raise ConfigurationError(f"{old.parent} is read-only: run this where the folder can be written")


async def _require_renamable(renaming: UserRenaming, new: str) -> None:
    if why := await renaming.unfinished():
        raise ConfigurationError(f"{why}: start the executor and let it finish first (ops unknown, ops streams)")
    if why := await renaming.occupied():
        raise ConfigurationError(f"{why}: {new} is, or was, another user")


async def _note(bus: Bus, old: str, new: str) -> None:
    at = str(time.time_ns() // 1_000_000)
    entry = {
        "v": "1",
        "of": old,
        "before": old,
        "mode": "rename",
        "reason": f"renamed to {new}",
        "by": operator_name(),
        "at": at,
    }
    await bus.do("XADD", keys.CONTROL_LOG, "MAXLEN", "~", _KEPT, "*", *flatten(entry))
