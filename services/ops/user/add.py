"""`ops user add`: a new user, and with `--paper` also the account and the key to trade with.

The user's file is written last: it is what makes the user exist, so nothing is served before its key is there.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, print_json
from services.ops.runner import run_with_bus
from services.ops.system.paper_accounts import ACCOUNTS_FILE
from services.ops.user.key_files import secrets_of
from services.ops.user.names import Who, check_new_name
from services.ops.user.paper import ASSET, PaperAccount, note_balances, open_accounts
from services.ops.user.settings.opening import by_operator, run_with_store
from services.ops.user.user_file import new_text, require_writable
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError
from shared.bus.state.records import Records
from shared.bus.users.last_settings import holders
from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import key_sources
from shared.config.keys.secrets_folder import VARIABLE, Part
from shared.config.settings import Mode, Settings, load_settings
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.contracts import keys
from shared.domain.account import AccountState
from shared.domain.values.money import plain
from shared.domain.values.venue import SUPPORTED_VENUES, VenueName
from shared.operations.settings.user_store import UserStore, usable
from shared.sign_in.follower_links import FollowerLinks

_POLL: Final = 0.25
_BALANCE: Final = Decimal(1000)
_LARGEST: Final = Decimal(10**12)

Venues = Annotated[
    list[str] | None, typer.Option("--venue", help="Where the user trades; may be repeated. kraken if not given.")
]
Paper = Annotated[bool, typer.Option("--paper", help="Also make an account and a key at the paper exchange.")]
Balance = Annotated[
    str, typer.Option("--balance", help=f"{ASSET} of each paper account; {plain(_BALANCE)} if not given.")
]
InGroup = Annotated[str, typer.Option("--group", help="The user's group: there is config/groups/<group>.toml.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until an executor serves a paper user.")]


def add(
    user: Who,
    venue: Venues = None,
    paper: Paper = False,
    balance: Balance = "",
    group: InGroup = "",
    wait: Wait = 30.0,
    as_json: AsJson = False,
) -> None:
    """Add a user: their file and, with --paper, a key and an account. Running executors take the user in by themselves."""
    venues = _venues(venue or [VenueName.KRAKEN])
    amount = _amount(balance, paper=paper)
    check_new_name(user, ())  # before it becomes part of a path

    async def work(settings: Settings, store: UserStore) -> tuple[str, list[PaperAccount]]:
        with store.alone():
            made = await _create(settings, store, user, venues, amount if paper else None, group)
        return store.place(user), made

    place, made = run_with_store(work)
    states = _states(user, venues, wait if paper else 0.0)
    if as_json:
        accounts = [{"venue": each.venue, "key": each.place, "fingerprint": each.fingerprint} for each in made]
        print_json({"user": user, "file": place, "venues": venues, "accounts": accounts, "states": states})
        return
    print(f"{user} is a user now: {place}")
    for each in made:
        held = f"{plain(amount)} {ASSET}" if each.is_new else "what the account, which existed already, holds"
        print(f"  paper account at {each.venue} with {held}; key {each.fingerprint} in {each.place}")
    if not paper:
        _print_keys_needed(load_settings(), user, venues)
    _print_states(user, states, paper=paper)


async def _create(
    settings: Settings, store: UserStore, user: str, venues: Sequence[str], balance: Decimal | None, group: str
) -> list[PaperAccount]:
    """Write all that makes a user, their settings last; with a balance also the paper accounts.

    Raises ConfigurationError, ActionRefused.
    """
    names = await store.names()
    check_new_name(user, names)
    if user in names:
        raise ConfigurationError(f"{store.place(user)} exists already: {user} is a user; `ops user list` shows them")
    store.require_writable()
    text = new_text(venues, paper=balance is not None and settings.shoal_mode is Mode.LIVE, group=group)
    usable(settings.shoal_config, user, text)
    await _end_sessions(settings, user)
    made: list[PaperAccount] = []
    if balance is not None:
        require_writable(settings.shoal_config / ACCOUNTS_FILE)
        made = await open_accounts(settings, user, venues, balance)
        note_balances(settings.shoal_config, user, venues, balance)
    await store.write(user, text, by_operator("ops user add"), over=None)
    return made


async def _end_sessions(settings: Settings, user: str) -> None:
    """End what links have opened for a former user of this name, whose file may have been removed by hand."""
    try:
        async with open_bus(settings.redis_url, "ops") as bus:
            await FollowerLinks(bus).revoke(user)
    except BusError as error:
        print(f"ops: sessions of an earlier {user} may be open ({error}): ops link {user} --revoke", file=sys.stderr)


def _venues(given: Sequence[str]) -> list[str]:
    for venue in given:
        if venue not in SUPPORTED_VENUES:
            raise ConfigurationError(f"--venue {venue}: must be one of {', '.join(sorted(SUPPORTED_VENUES))}")
    return list(dict.fromkeys(given))


def _amount(given: str, *, paper: bool) -> Decimal:
    if given and not paper:
        raise ConfigurationError("--balance: only a paper account gets one; add --paper")
    try:
        amount = Decimal(given) if given else _BALANCE
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= _LARGEST:
        raise ConfigurationError(f"--balance {given}: must be an amount of {ASSET}, such as 800")
    return amount


def _states(user: str, venues: Sequence[str], wait: float) -> dict[str, str]:
    """Return the state of each account once an executor has one, or after the wait; empty if Redis does not answer."""

    async def work(_: Settings, bus: Bus) -> dict[str, str]:
        held = {"held": "yes"} if user in await holders(bus) else {}
        end = time.monotonic() + wait
        while True:
            accounts = await Records(bus).accounts([(user, venue) for venue in venues])
            served = await bus.do("EXISTS", keys.lease(user))
            if (
                served and all(each and each.state is AccountState.READY for each in accounts)
            ) or time.monotonic() >= end:
                known = {
                    venue: f"{each.state}{f': {each.reason}' if each.reason else ''}"
                    if served and each
                    else "not served yet"
                    for venue, each in zip(venues, accounts, strict=True)
                }
                return held | known
            await asyncio.sleep(_POLL)

    try:
        return run_with_bus(work)
    except BusError:
        return {}


def _print_keys_needed(settings: Settings, user: str, venues: Sequence[str]) -> None:
    folder = secrets_of(settings)
    for venue in venues:
        if any(source.given() for source in key_sources(venue, user)):
            print(f"  the key at {venue} is there")
            continue
        stem = VENUE_FACTS[venue].key_stem(user)
        if folder is None:
            print(
                f"  needed at {venue}: {stem}_KEY and {stem}_SECRET (or ..._FILE) where executors start, which takes a restart"
            )
            print(
                f"    or set {VARIABLE} to a folder with {venue}/{user}/key and {venue}/{user}/secret: then it takes none"
            )
        else:
            key, secret = (folder.path(venue, user, part) for part in Part)
            print(f"  needed at {venue}: {key} and {secret}, both chmod 600, or {stem}_KEY and {stem}_SECRET")
    print("  until then the account is parked: no entry is copied. With --paper a paper key is made instead")


def _print_states(user: str, states: Mapping[str, str], *, paper: bool) -> None:
    if states.get("held"):
        print(f"  something is held under this name from before: see `ops user list {user}`")
    if not paper:
        return
    for venue, state in states.items():
        if venue in VENUE_FACTS:
            print(f"  at {venue}: {state}")
    if not states or "not served yet" in states.values():
        print(f"  no executor serves {user} yet: `ops status` shows when one does")
