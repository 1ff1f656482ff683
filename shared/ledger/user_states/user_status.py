"""The status of users as recorded in Redis, each read as a whole: accounts, executor, switches, stage.

An account's record outlives its executor, so a user counts as ready only while an executor holds the user's lease. A user whose
entries are stopped on purpose is not "ready": see `user_state.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from shared.bus.connection import Bus
from shared.bus.state.records import pairs, read_account, read_key_check
from shared.bus.users.routes import routed_users
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.risk import read_risk
from shared.domain.account import Account, AccountState
from shared.domain.control import Control
from shared.domain.limits.policy import FileState, UserPolicy
from shared.domain.limits.risk_state import RiskState
from shared.ledger.key_checks import KeyState, judge_check
from shared.ledger.stages.rows import StageRow, read_stages
from shared.ledger.user_state import STOPPED_STATES, EntryStop, UserState, find_entry_stop, state_under
from shared.ledger.user_states.user_summary import UserSummary
from shared.ledger.users import describe_held

_LEASES: Final = 5_000
"""Leases that one command reads: about a millisecond of the server's time."""
NO_EXECUTOR: Final = "no executor serves this user"


@dataclass(frozen=True)
class UserStatus:
    """One user: settings, each account (None: not known), the executor that serves them, and their kill switch.

    `funds` is the money of the account's books by venue, `paper` or `live`, if an executor has recorded it.
    """

    policy: UserPolicy
    accounts: tuple[tuple[str, Account | None], ...]
    owner: str
    control: Control
    funds: Mapping[str, str] = field(default_factory=dict)
    entry_stop: EntryStop | None = None
    """What stops the user's entries, if anything does."""
    holds: str = ""
    """What a user without a file still holds from copying, in words."""
    keys: Mapping[str, KeyState] = field(default_factory=dict)
    """What the checks of the user's API keys mean, by venue; only where there is something to say."""
    stage: StageRow | None = None
    """Where the user stands on the canary ladder."""
    risk: RiskState | None = None
    """The risk state of the account that is stopped the longest, for a user whom a loss can stop."""

    def under(self, everybody: Control, now: int) -> UserStatus:
        """Return the status under another switch for everybody, at `now` (epoch ms)."""
        return replace(self, entry_stop=find_entry_stop(self.control, everybody, self.risk, now))

    @cached_property
    def settled(self) -> UserState:
        """Return the state if an executor serves the user and nothing stops entries; ready if any account is."""
        states = {account.state for _, account in self.accounts if account is not None}
        if self.policy.file is FileState.GONE:
            return UserState.GONE
        if not self.policy.enabled:
            return UserState.OFF
        if self.policy.fault:
            return UserState.PARKED
        if AccountState.READY in states:
            return UserState.UNCHECKED if self._ready_venues <= self.unchecked.keys() else UserState.READY
        return UserState.PARKED if AccountState.PARKED in states else UserState.UNKNOWN

    @cached_property
    def state(self) -> UserState:
        """Return the user's state."""
        return state_under(self.settled, self.entry_stop, served=bool(self.owner))

    @property
    def summary(self) -> UserSummary:
        """Return what counting users needs."""
        stop = self.entry_stop.reason if self.entry_stop and not self.entry_stop.everybody else ""
        return UserSummary(self.policy.user, self.state, self.policy.group, self.key_notes, stop)

    @property
    def key_notes(self) -> tuple[str, ...]:
        """Return what is wrong with the user's API keys, a sentence for each."""
        if not self.keys:
            return ()
        off = self.settled is UserState.OFF
        unchecked = [] if off else [(venue, why) for venue, why in self.unchecked.items()]
        refused = [(venue, f"API key: {state.refused}") for venue, state in self.keys.items() if state.refused]
        return tuple(f"{self.policy.user} at {venue}: {why}" for venue, why in (*unchecked, *refused))

    @property
    def _ready_venues(self) -> set[str]:
        return {venue for venue, account in self.accounts if account and account.state is AccountState.READY}

    @property
    def unchecked(self) -> Mapping[str, str]:
        """Return, by venue, why no entry is taken because of the API key."""
        return {venue: state.unchecked for venue, state in self.keys.items() if state.unchecked}

    @property
    def unserved(self) -> str:
        """Return that no executor serves the user, with the group whose executors would."""
        return f"{NO_EXECUTOR} (group {self.policy.group})" if self.policy.group else NO_EXECUTOR

    @property
    def reason(self) -> str:
        """Return why the user is not trading; an empty text if they are."""
        state = self.state
        if state in {UserState.READY, UserState.OFF}:
            return ""
        unserved = "" if self.owner else "; no executor serves this user, so no exit is sent"
        if state is UserState.GONE:
            return f"gone, still holds: {self.holds or 'nothing'}; {self.policy.fault}{unserved}"
        if self.policy.fault:
            return f"{self.policy.fault}{unserved}"
        if state in STOPPED_STATES and self.entry_stop:
            return self.entry_stop.reason
        if not self.owner:
            return self.unserved
        if state is UserState.UNCHECKED:
            return "; ".join(f"{venue}: {why}" for venue, why in self.unchecked.items())
        said = [f"{venue}: {account.reason}" for venue, account in self.accounts if account and account.reason]
        return "; ".join(said) or "the account has not been read yet"


async def read_user_statuses(
    bus: Bus, policies: Sequence[UserPolicy], everybody: Control, now: int, *, brief: bool = False
) -> tuple[UserStatus, ...]:
    """Read the state of these users at `now` (epoch ms), in this sequence; `brief`: without `funds`. Raises BusUnavailable."""
    policies = await routed_users(bus, policies)
    who = [(policy.user, venue) for policy in policies for venue in policy.venues]
    accounts, checks = await _accounts(bus, who, now)
    noted = [] if brief else await bus.do_all([("HGET", keys.books(user, venue), "funds") for user, venue in who])
    funds = {each: str(answer) for each, answer in zip(who, noted, strict=False) if isinstance(answer, str)}
    owners = await read_owners(bus, [policy.user for policy in policies])
    controls = await bus.do_all([("HGETALL", keys.control(policy.user)) for policy in policies])
    risks = await _risks(bus, [policy for policy in policies if policy.limits.stop_out])
    gone = [policy for policy in policies if policy.file is FileState.GONE]
    stages = await read_stages(bus, policies)
    holds = {policy.user: await describe_held(bus, policy.user, policy.venues) for policy in gone}
    return tuple(
        UserStatus(
            policy=policy,
            accounts=tuple((venue, accounts[policy.user, venue]) for venue in policy.venues),
            owner=str(owner or ""),
            control=(switch := Control.read(pairs(control))),
            entry_stop=find_entry_stop(switch, everybody, risks.get(policy.user), now),
            funds={venue: funds[policy.user, venue] for venue in policy.venues if (policy.user, venue) in funds},
            holds=holds.get(policy.user, ""),
            keys={venue: checks[policy.user, venue] for venue in policy.venues if (policy.user, venue) in checks},
            stage=stages[policy.user],
            risk=risks.get(policy.user),
        )
        for policy, owner, control in zip(policies, owners, controls, strict=True)
    )


async def _accounts(
    bus: Bus, places: Sequence[tuple[str, str]], now: int
) -> tuple[Mapping[tuple[str, str], Account | None], Mapping[tuple[str, str], KeyState]]:
    """Read accounts, and what the checks of their keys mean where there is something to say: both are in one hash."""
    answers = await bus.do_all([("HGETALL", keys.account(user, venue)) for user, venue in places])
    fields = dict(zip(places, map(pairs, answers), strict=True))
    accounts = {place: read_account(*place, known) for place, known in fields.items()}
    states = {place: judge_check(accounts[place], read_key_check(known), now) for place, known in fields.items()}
    return accounts, {place: state for place, state in states.items() if state != KeyState()}


async def read_owners(bus: Bus, users: Sequence[str]) -> list[str]:
    """Read which executor serves each user; empty if none does. Raises BusUnavailable."""
    found: list[str] = []
    for first in range(0, len(users), _LEASES):
        some = users[first : first + _LEASES]
        (answer,) = await bus.do_all([("MGET", *(keys.lease(user) for user in some))])
        found += [owner or "" for owner in (answer if isinstance(answer, list) else [""] * len(some))]
    return found


async def _risks(bus: Bus, policies: Sequence[UserPolicy]) -> Mapping[str, RiskState]:
    """Read the risk state of each user: that of the account that is stopped the longest."""
    places = [(policy.user, venue) for policy in policies for venue in policy.venues]
    found: dict[str, RiskState] = {}
    answers = await bus.do_all([("HGETALL", keys.risk(user, venue)) for user, venue in places])
    for (user, _), answer in zip(places, answers, strict=True):
        try:
            state = read_risk(pairs(answer)) if answer else None
        except MalformedMessageError:
            continue  # `ops stopouts` reports it, and so does the executor
        if state is not None and (user not in found or state.stopped_until > found[user].stopped_until):
            found[user] = state
    return found
