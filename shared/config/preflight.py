"""Checks before real money moves, without a call to any venue.

`ops preflight` shows every check; in live mode master and executor run those that concern them at their start and refuse to start
on a red one. A fault of one user is not among these: that account is parked, and the others trade. No text may contain a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from shared.config.errors import ConfigurationError
from shared.config.keys.secret_files import refuse_open_env_file
from shared.config.keys.secrets import key_names, master_venues, read_api_key
from shared.config.master_accounts import TradedAccount, master_accounts, usual_venues
from shared.config.masters import load_master_files
from shared.config.settings import Mode, Settings
from shared.config.strategy_choice import MIRROR_ONLY, read_strategy_choice, strategy_file
from shared.config.users.loader import Users, load_users
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.domain.account import MASTER, is_master
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.venue import SUPPORTED_VENUES, VenueName

_SHOWN: Final = 5
_HERE: Final = Path()

log = structlog.get_logger()


class CheckStatus(StrEnum):
    """The result of a check."""

    GREEN = "ok"
    YELLOW = "look"  # permitted, but should be known
    RED = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a preflight. `user` is the user concerned; an empty string means the whole system."""

    name: str
    status: CheckStatus
    text: str
    user: str = ""


def preflight(settings: Settings, folder: Path = _HERE, users: Users | ConfigurationError | None = None) -> list[Check]:
    """Run all checks. Raises nothing: a file that cannot be read is a red check.

    `users` are those whose settings are kept in Redis, or why they cannot be read; by default the users' files are read.
    """
    users = _users(settings) if users is None else users
    policies = {} if isinstance(users, ConfigurationError) else users
    return [
        _mode(settings),
        *_venue_urls(settings),
        check_strategy(settings),
        *_master_keys(settings),
        _users_check(settings, users),
        *(check_key(settings, policy.user, policy) for policy in policies.values() if policy.enabled),
        *_limits(policies.values()),
        check_env_file(folder),
    ]


def require_green(settings: Settings, *checks: Callable[[Settings], Check]) -> None:
    """Raise ConfigurationError, in one line, for a red check in live mode; yellow ones are logged."""
    if settings.shoal_mode is not Mode.LIVE:
        return
    found = [*(check(settings) for check in checks), check_env_file(), *_venue_urls(settings)]
    for each in found:
        if each.status is CheckStatus.YELLOW:
            log.warning("preflight", check=each.name, why=each.text)
    if red := [each for each in found if each.status is CheckStatus.RED]:
        raise ConfigurationError("; ".join(each.text for each in red))


def check_strategy(settings: Settings) -> Check:
    """Check that a strategy trades real money only with both its name and `trade_live = true` in the file."""
    try:
        choice = read_strategy_choice(settings.shoal_config, Mode.LIVE, settings.strategy_file)
    except ConfigurationError as error:
        return Check("strategy", CheckStatus.RED, str(error))
    config, file = settings.shoal_config, strategy_file(settings.shoal_config, settings.strategy_file)
    traded = TradedAccount(choice.name != MIRROR_ONLY, choice.venue, choice.master, file)
    try:
        files = load_master_files(config)
        master_accounts(config, files, master_venues(), traded)
    except ConfigurationError as error:
        return Check("strategy", CheckStatus.RED, str(error))
    if not choice.explicit:
        return Check(
            "strategy",
            CheckStatus.YELLOW,
            f'{file} names none, so it is mirror only; write strategy = "none" to confirm that',
        )
    if choice.name == MIRROR_ONLY:
        return Check("strategy", CheckStatus.GREEN, "mirror only: no strategy trades the master account")
    return Check(
        "strategy", CheckStatus.YELLOW, f"{choice.name} WILL trade the master account (trade_live = true in {file})"
    )


def _master_keys(settings: Settings) -> list[Check]:
    """Check the key of each account of the master."""
    try:
        files = load_master_files(settings.shoal_config)
    except ConfigurationError as error:
        return [Check("masters", CheckStatus.RED, str(error))]
    usual = usual_venues(master_venues(), files)
    found = [check_key(settings, MASTER, venues=usual)] if usual else []
    return found + [check_key(settings, each.key_owner, venues=[each.venue]) for each in files.values() if each.key]


def check_key(settings: Settings, owner: str, policy: UserPolicy | None = None, *, venues: Sequence[str] = ()) -> Check:
    """Check that an account's key is set, is not a placeholder and is well-formed; its value is never shown.

    `venues` are those of a master's owner, who has no policy; by default where the usual accounts are.
    """
    user = "" if is_master(owner) else owner
    name = f"key of {owner}"
    venues = policy.venues if policy else venues or master_venues() or (VenueName.KRAKEN,)
    prints = []
    for venue in venues:
        if venue not in SUPPORTED_VENUES:
            return Check(name, CheckStatus.RED, f"{venue} is not supported yet; take it out of venues", user)
        try:
            key = read_api_key(venue, owner, Mode.LIVE, paper=bool(policy and policy.paper), names=key_names())
        except ConfigurationError as error:
            return Check(name, CheckStatus.RED, str(error), user)
        if fault := VENUE_FACTS[venue].find_secret_fault(key.secret):
            return Check(name, CheckStatus.RED, fault, user)
        prints.append(f"{venue} {key.fingerprint}")
    return Check(name, CheckStatus.GREEN, ", ".join(prints) + (" (paper)" if policy and policy.paper else ""), user)


def check_env_file(folder: Path = _HERE) -> Check:
    """Check that no other user of this machine can read a `.env`; without one, keys come from elsewhere."""
    try:
        refuse_open_env_file(Mode.LIVE, folder)
    except ConfigurationError as error:
        return Check(".env", CheckStatus.RED, str(error))
    if (folder / ".env").exists():
        return Check(".env", CheckStatus.GREEN, "no other user can read it")
    return Check(".env", CheckStatus.GREEN, "there is none here; keys come from the environment or from secret files")


def _users(settings: Settings) -> Users | ConfigurationError:
    try:
        return load_users(settings.shoal_config)
    except ConfigurationError as error:
        return error


def _users_check(settings: Settings, users: Users | ConfigurationError) -> Check:
    if isinstance(users, ConfigurationError):
        return Check("users", CheckStatus.RED, str(users))
    if users.problems:
        return Check("users", CheckStatus.RED, "; ".join(map(str, users.problems[:_SHOWN])))
    enabled = [name for name, policy in users.items() if policy.enabled]
    if not enabled:
        return Check("users", CheckStatus.RED, f"{settings.shoal_config / 'users'} holds no enabled user")
    paper = [name for name in enabled if users[name].paper]
    text = f"{len(enabled)} enabled: {_listed(enabled)}"
    return Check("users", CheckStatus.GREEN, text + (f"; on paper money: {_listed(paper)}" if paper else ""))


def _mode(settings: Settings) -> Check:
    if settings.shoal_mode is Mode.LIVE:
        return Check("mode", CheckStatus.GREEN, "SHOAL_MODE is live: REAL MONEY")
    return Check("mode", CheckStatus.RED, "SHOAL_MODE is paper: nothing here would trade for real; set SHOAL_MODE=live")


def _venue_urls(settings: Settings) -> Iterable[Check]:
    """Check that live orders would go to the real venue: `settings.py` checks for https, and the host is checked here."""
    if settings.shoal_mode is not Mode.LIVE:
        return
    paper = urlsplit(settings.paper_url).netloc
    for venue in SUPPORTED_VENUES:
        facts, known = VENUE_FACTS[venue], settings.venue(venue)
        place = f"{facts.url_variable} is {known.url}"
        if urlsplit(known.url).netloc == paper:
            yield Check("venue", CheckStatus.RED, f"{place}, which is the paper exchange")
        elif known.url_is_given:
            text = f"{place}: orders and keys go there instead of {facts.title}'s own address"
            yield Check("venue", CheckStatus.YELLOW, text)
        else:
            yield Check("venue", CheckStatus.GREEN, known.url)
        if not known.stream_url_is_given:
            continue
        place = f"{facts.stream_url_variable} is {known.stream_url}"
        if urlsplit(known.stream_url).netloc == paper:
            yield Check("venue", CheckStatus.RED, f"{place}, which is the paper exchange")
        else:
            text = f"{place}: fills are believed from there instead of {facts.title}'s own address"
            yield Check("venue", CheckStatus.YELLOW, text)


def _limits(users: Iterable[UserPolicy]) -> Iterable[Check]:
    without = [each.user for each in users if each.enabled and not each.paper and each.limits.max_order_quote is None]
    if without:
        text = f"no limits.max_order_quote: {_listed(without)}; set one before the first trades"
        yield Check("limits", CheckStatus.YELLOW, text)
    else:
        yield Check("limits", CheckStatus.GREEN, "every user has limits.max_order_quote")


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
