"""`ops user rename`: rename a user with everything that is theirs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, print_json
from services.ops.runner import run_with_bus
from services.ops.user.key_files import move_keys, secrets_of
from services.ops.user.names import check_new_name
from services.ops.user.settings.opening import by_operator, load_all, store_of
from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.users.user_renaming import UserRenaming
from shared.bus.users.user_settings import SettingsVersion
from shared.config.errors import ConfigurationError
from shared.config.keys.secrets_folder import Part
from shared.config.settings import Settings
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.contracts import keys
from shared.domain.values.venue import VENUES
from shared.operations.settings.user_store import UserStore
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
        store = store_of(settings, bus)
        with store.alone():
            return await locked(settings, store, bus)

    async def locked(settings: Settings, store: UserStore, bus: Bus) -> _RenameResult:
        await _check_names(settings, store, old, new)
        await _refuse_while_running(bus, old, new)
        owner = f"ops-user-rename-{os.getpid()}"
        leases: list[Lease] = []
        try:
            for name in (old, new):
                lease = await acquire(bus, name, owner)
                if lease is None:
                    raise ConfigurationError(f"an executor serves {name}: stop it first")
                leases.append(lease)
            return await _rename(settings, store, bus, leases[0], leases[1])
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


async def _check_names(settings: Settings, store: UserStore, old: str, new: str) -> None:
    if old == new:
        raise ConfigurationError("both names are the same")
    check_new_name(old, ())
    names = await store.names()
    check_new_name(new, (name for name in names if name not in {old, new}))
    if (folder := secrets_of(settings)) is not None and new not in names:
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


async def _rename(settings: Settings, store: UserStore, bus: Bus, old: Lease, new: Lease) -> _RenameResult:
    before, after = await store.read(old.holder), await store.read(new.holder)
    renaming = UserRenaming(bus, old, new, VENUES)
    resumed = await renaming.committed() and not (before and after)
    if not resumed:
        _check_settings(store, old.holder, before, new.holder, after)
        await _require_renamable(renaming, new.holder)
        funds = settings.funds(paper=await _is_on_paper(settings, bus, old.holder))
        until, now = await renaming.carried(), time.time_ns() // 1_000_000
        for name in (old.holder, new.holder):  # the new name may have been another user's before
            await FollowerLinks(bus).revoke(name)
        await renaming.copy(until)
        await renaming.commit(until, funds, now)
    if before is not None:
        author = by_operator(f"ops user rename {old.holder} {new.holder}")
        if after is None:  # else an earlier run has written it
            await store.write(new.holder, before.text, author, over=None)
        await store.remove(before, author)
    secrets = secrets_of(settings)
    moved = move_keys(secrets, old.holder, new.holder) if secrets else []
    await renaming.finish()
    await _note(bus, old.holder, new.holder)
    held = [int(await bus.do("HLEN", keys.positions(new.holder, venue))) for venue in VENUES]
    return _RenameResult(resumed, sum(held), moved)


async def _is_on_paper(settings: Settings, bus: Bus, user: str) -> bool:
    """Return whether a user trades on paper money. Raises ConfigurationError if the file cannot be used."""
    policy = (await load_all(settings, bus)).get(user)
    if policy is None or policy.fault:
        raise ConfigurationError(policy.fault if policy else f"{user}: the file cannot be used")
    return policy.paper


def _check_settings(
    store: UserStore, old: str, before: SettingsVersion | None, new: str, after: SettingsVersion | None
) -> None:
    if before is None:
        raise ConfigurationError(f"{store.place(old)} does not exist: there is no such user")
    if after is not None:
        raise ConfigurationError(f"{store.place(new)} exists already: {new} is another user")
    store.require_writable()


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
