"""`ops user remove`: a user leaves, and no holding is forgotten.

First the file says that the user follows no more, so that no entry comes between the check and the removal. The file is removed
once nothing is held or under way, or with `--keep`. A real key's files stay, and are named: its owner ends it at the venue.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Annotated, Final

import typer

from services.ops.operator import Yes, confirm
from services.ops.output import AsJson, print_json
from services.ops.runner import run_with_bus
from services.ops.user.key_files import remove_key, secrets_of
from services.ops.user.names import Who, require_settings
from services.ops.user.paper import forget_balances
from services.ops.user.settings.opening import by_operator, load_all, store_of
from services.ops.user.user_file import change_settings
from shared.bus.connection import Bus
from shared.bus.users.last_settings import LastSettings, still_holding
from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import read_api_key
from shared.config.settings import Mode, Settings
from shared.contracts import keys
from shared.domain.limits.policy import OnLeave
from shared.domain.values.venue import VENUES
from shared.ledger.users import describe_held
from shared.sign_in.follower_links import FollowerLinks

_POLL: Final = 0.25
_TAKEN_OVER: Final = 5.0
"""Seconds until every service has taken over a changed file: two looks, a second or more apart."""

Flatten = Annotated[bool, typer.Option("--flatten", help="Sell what is held from copying first, at market.")]
Keep = Annotated[
    bool, typer.Option("--keep", help="Remove although something is held; it stays on the account, unprotected.")
]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for orders and sales to end.")]


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of a removed user. `open_`: why they are not removed, if they are not."""

    held: str
    open_: str = ""
    keys: list[str] = field(default_factory=list)


def remove(
    user: Who,
    flatten: Flatten = False,
    keep: Keep = False,
    yes: Yes = False,
    wait: Wait = 60.0,
    as_json: AsJson = False,
) -> None:
    """Remove a user. Refused while something is held from copying, unless it is sold (--flatten) or stays (--keep)."""
    if flatten and keep:
        raise ConfigurationError("--flatten sells what is held and --keep keeps it: one of the two")

    async def look(settings: Settings, bus: Bus) -> str:
        await require_settings(store_of(settings, bus), user)
        return await _held(bus, user)

    held = run_with_bus(look)
    if held and not (flatten or keep):
        raise ConfigurationError(
            f"{user} holds {held} from copying: --flatten sells it first, --keep leaves it on the account without protection"
        )
    sale = f" It sells {held} at market first." if held and flatten else ""
    rest = f" {held} stays on the account, without stop loss and without the master's exits." if held and keep else ""
    confirm(f"Remove {user}?{sale}{rest}", yes=yes)

    async def work(settings: Settings, bus: Bus) -> _Left:
        return await _remove(settings, bus, user, keep=keep, wait=wait)

    left = run_with_bus(work)
    if as_json:
        print_json(
            {"user": user, "removed": not left.open_, "held": left.held, "open": left.open_, "key_files": left.keys}
        )
    elif left.open_:
        print(
            f"{user} is not removed: {left.open_}. The settings say enabled = false now; repeat the command when that has ended"
        )
    else:
        print(f"{user} is gone, still holds: {left.held}" if left.held else f"{user} is gone and holds nothing")
        for path in left.keys:
            print(f"  the key in {path} is still there: end it at the venue, then remove the file")
    raise typer.Exit(1 if left.open_ else 0)


async def _remove(settings: Settings, bus: Bus, user: str, *, keep: bool, wait: float) -> _Left:
    store = store_of(settings, bus)
    author = by_operator("ops user remove")
    rule = (
        OnLeave.KEEP if keep else OnLeave.CLOSE_NOW
    )  # without --keep, what an order under way still buys is sold again
    await change_settings(store, settings.shoal_config, user, author, enabled=False, on_leave=rule.value)
    if open_ := await _until_ended(bus, user, keep=keep, wait=wait):
        return _Left(await _held(bus, user), open_)
    if keep:
        await _remember_that_they_left(settings, bus, user)
    await FollowerLinks(bus).revoke(user)
    held = await _held(bus, user)
    with store.alone():  # with the keys: who adds this name next makes keys of their own
        if (present := await store.read(user)) is not None:  # None: the same command at the same time
            await store.remove(present, author)
        return _Left(held, keys=_remove_keys(settings, user, holds=bool(held)))


async def _remember_that_they_left(settings: Settings, bus: Bus, user: str) -> None:
    """Record the last settings, by which a later start knows that the holdings are not to be sold. Raises ConfigurationError."""
    policy = (await load_all(settings, bus)).get(user)
    if policy is None or policy.fault:
        raise ConfigurationError(f"{policy.fault if policy else user}: correct the file first")
    await LastSettings(bus).write([policy])
    if (await LastSettings(bus).read([user])).get(user) != policy:
        raise ConfigurationError(
            "this command's Redis user may not record that the user left: run it with one that may"
        )


async def _until_ended(bus: Bus, user: str, *, keep: bool, wait: float) -> str:
    """Wait until nothing is held or under way; return what still is after the wait, or an empty string."""
    began = time.monotonic()
    while True:
        open_ = await _open(bus, user, keep=keep)
        past = time.monotonic() - began
        if (not open_ and past >= _TAKEN_OVER) or past >= max(wait, _TAKEN_OVER):
            return open_
        await asyncio.sleep(_POLL)


async def _open(bus: Bus, user: str, *, keep: bool) -> str:
    served = await bus.do("GET", keys.lease(user))
    held = await _held(bus, user)
    if keep:
        return f"executor {served} still serves {user}" if served else ""
    if held:
        return f"{user} still holds {held}" + ("" if served else ", and no executor serves them, who would sell it")
    return f"decisions for {user} are under way" if user in await still_holding(bus, [user]) else ""


async def _held(bus: Bus, user: str) -> str:
    """Describe what is held from copying, own exits and mirrored orders included; an empty string if nothing."""
    sizes = await describe_held(bus, user, VENUES)
    mirrored = await bus.do_all([("EXISTS", keys.mirrored(user, venue)) for venue in VENUES])
    words = [f"mirrored orders at {venue}" for venue, any_ in zip(VENUES, mirrored, strict=True) if any_]
    return ", ".join([*([] if sizes == "nothing" else [sizes]), *words])


def _remove_keys(settings: Settings, user: str, *, holds: bool) -> list[str]:
    """Remove what belongs to paper accounts that hold nothing; return the paths of other key files."""
    folder = secrets_of(settings)
    left = []
    for venue in VENUES:
        if folder is None or not folder.holds(venue, user):
            continue
        if not holds and _is_paper(venue, user):
            remove_key(folder, venue, user)
        else:
            left += folder.places(venue, user)
    if not holds:
        forget_balances(settings.shoal_config, user)
    return left


def _is_paper(venue: str, user: str) -> bool:
    try:
        return read_api_key(venue, user, Mode.PAPER).is_paper
    except ConfigurationError:
        return False
