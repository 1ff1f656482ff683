"""Checks the key of an account that no process serves, under the account's lease, so that no executor begins meanwhile.

The lease gives the key's nonces too: calls from here are below those of the next owner, as those of any earlier one. Nothing is
traded, and nothing is recorded: an executor that starts makes its own check.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusForbidden
from shared.bus.ownership.lease import RENEW_EVERY, Lease, acquire
from shared.bus.ownership.nonce import NonceCounter
from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import ApiKey, key_names, master_venues, read_api_key
from shared.config.master_accounts import TradedAccount, master_accounts, usual_venues
from shared.config.masters import load_master_files
from shared.config.settings import Mode, Settings
from shared.config.strategy_choice import MIRROR_ONLY, read_strategy_choice, strategy_file
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.domain.account import further_name, is_master
from shared.domain.key_report import KeyCheck, KeyReport, refused, unknown
from shared.domain.limits.policy import UserPolicy
from shared.execution.timing import VENUE_TIMEOUT
from shared.venues.doctor import describe_refusal, examine
from shared.venues.errors import Rejected, VenueError
from shared.venues.factory import HttpSession, new_http_session, open_account, open_budget, open_public
from shared.venues.venue_clock import VenueClock

_CURRENCY: Final = "USD"
"""The master's, where no policy names one."""


async def check_here(settings: Settings, bus: Bus, owner: str, venue: str, policy: UserPolicy | None) -> KeyReport:
    """Check the key of an account here; not of a user whose group has another address. Raises BusUnavailable."""
    if policy is not None and policy.group and policy.group not in settings.executor_groups:
        return _unchecked(
            f"no process serves {owner}, who is in the group {policy.group}: start an executor of that group, or run this with "
            f"EXECUTOR_GROUPS={policy.group}, where the group's address is"
        )
    key_owner = _key_owner(settings, owner)
    try:
        key = read_api_key(
            venue, key_owner, settings.shoal_mode, paper=bool(policy and policy.paper), names=key_names()
        )
    except ConfigurationError as error:
        if _is_set(venue, key_owner):
            return KeyReport((refused(KeyCheck.SECRET, str(error)),))
        served = f"no process serves {owner}, and this process has no key of theirs ({error})"
        return _unchecked(f"{served}: start what serves them, or run this where the keys are")
    if fault := VENUE_FACTS[venue].find_secret_fault(key.secret):
        return KeyReport((refused(KeyCheck.SECRET, fault),))
    try:
        lease = await acquire(bus, owner, f"ops-doctor-{os.getpid()}")
    except BusForbidden:
        return _unchecked(
            f"no process serves {owner}, and this process may not take their lease: start what serves them"
        )
    if lease is None:
        return _unchecked(f"a process has begun to serve {owner}: ask again")
    renewing = asyncio.create_task(_renew(lease))
    try:
        async with new_http_session(settings.egress) as http:
            return await _examine(settings, bus, lease, venue, key, policy, http)
    except BusForbidden:
        return _unchecked(
            f"no process serves {owner}, and this process may not count their nonces: start what serves them"
        )
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await lease.release()


async def _examine(
    settings: Settings, bus: Bus, lease: Lease, venue: str, key: ApiKey, policy: UserPolicy | None, http: HttpSession
) -> KeyReport:
    apart = bool(policy and policy.paper) and settings.shoal_mode is Mode.LIVE
    url = settings.paper_url if apart else settings.venue_url(venue)
    clock = VenueClock(venue)
    nonces = None
    if VENUE_FACTS[venue].takes_nonces:
        nonces = NonceCounter(bus, lease, lease.holder, key.fingerprint, floor=time.time_ns() // 1_000)
    try:
        public = open_public(venue, url=url, http=http, timeout=VENUE_TIMEOUT, clock=clock)
        account = open_account(
            venue,
            url=url,
            api_key=key.key,
            api_secret=key.secret,
            nonces=nonces,
            http=http,
            timeout=VENUE_TIMEOUT,
            clock=clock,
            budget=open_budget(venue, settings.venue_tier(venue)),
            public=public,
            paper=apart,
        )
    except Rejected as rejected:
        return KeyReport((describe_refusal(rejected),))
    with suppress(VenueError):  # the check says whether the venue answers
        await public.ask_time()
    found = await examine(
        account,
        currency=policy.currency if policy else _CURRENCY,
        clock=clock.offset(),
        trades=not is_master(lease.holder) or _strategy_trades(settings, lease.holder, venue),
        probe=True,
    )
    return found.report


async def _renew(lease: Lease) -> None:
    while True:
        await asyncio.sleep(RENEW_EVERY)
        with suppress(BusError):  # a lost lease ends the nonces, and so the check
            await lease.renew()


def _key_owner(settings: Settings, owner: str) -> str:
    """Return the name under which the key of an account is read: a further one of a master states it in its file."""
    if not (further := further_name(owner)):
        return owner
    with suppress(ConfigurationError):
        if (file := load_master_files(settings.shoal_config).get(further)) is not None:
            return file.key_owner
    return owner


def _strategy_trades(settings: Settings, owner: str, venue: str) -> bool:
    """Return whether a strategy trades the master's account at a venue, so that its key needs the right to."""
    config = settings.shoal_config
    try:
        choice = read_strategy_choice(config, settings.shoal_mode, settings.strategy_file)
        files, file = load_master_files(config), strategy_file(config, settings.strategy_file)
        traded = TradedAccount(choice.name != MIRROR_ONLY, choice.venue, choice.master, file)
        accounts = master_accounts(config, files, usual_venues(master_venues(), files), traded)
    except ConfigurationError:
        return False
    return any(each.traded for each in accounts if (each.owner, each.venue) == (owner, venue))


def _is_set(venue: str, owner: str) -> bool:
    """Return whether this process has a key of the account at all, usable or not."""
    name = f"{VENUE_FACTS[venue].key_stem(owner)}_KEY"
    return any(name in names for names in key_names().values())


def _unchecked(text: str) -> KeyReport:
    return KeyReport((unknown(KeyCheck.SECRET, text),))
